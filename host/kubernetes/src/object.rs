//! Records as objects: a record's fields are those of `spec`, beside those that the API needs.

use gingham_ownership::record::{self, Key};
use gingham_ownership::shared_store::{Record, Version};
use ipnet::IpNet;
use serde_json::{Map, Value, json};

use crate::name;
use crate::resource::Resource;

/// Another one in each write: see `nonce`.
const NONCE: &str = "nonce";

/// For people who select the objects of one network. Nothing relies on it, since anyone may take it off.
const LABEL: &str = "gingham.dev/network";

/// What a network's object has as soon as members have agreed on it. People may have made the object before.
const AGREED: &str = "grids";

/// Which object keeps a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) resource: Resource,
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    /// What of `spec` is not the record's.
    own: Map<String, Value>,
}

/// Where the record of a key is; none for what is not kept in objects of ours.
pub(crate) fn place(network: &str, key: &str) -> Option<Place> {
    let of = |own: Value| if let Value::Object(own) = own { own } else { Map::new() };
    match Key::read(key) {
        Key::Config => Some(Place {
            resource: Resource::networks(),
            kind: "AddressNetwork",
            name: network.to_owned(),
            own: Map::new(),
        }),
        Key::Member(node) => Some(Place {
            resource: Resource::members(),
            kind: "NetworkMember",
            name: name::of_member(network, node),
            own: of(json!({"network": network, "node": node})),
        }),
        Key::Block(block) => Some(Place {
            resource: Resource::blocks(),
            kind: "AddressBlock",
            name: name::of_block(network, block),
            own: of(json!({"network": network, "cidr": block})),
        }),
        Key::Life(_) | Key::Other => None,
    }
}

impl Place {
    pub(crate) fn is_block(&self) -> bool {
        self.kind == "AddressBlock"
    }

    pub(crate) fn is_network(&self) -> bool {
        self.kind == "AddressNetwork"
    }

    /// The object to create for a record.
    pub(crate) fn object(&self, network: &str, record: Map<String, Value>, nonce: &str) -> Value {
        json!({
            "apiVersion": self.resource.api_version(),
            "kind": self.kind,
            "metadata": {"name": self.name, "labels": {LABEL: network}},
            "spec": self.spec(record, nonce),
        })
    }

    /// The object that is there, with another record. Whatever others have put into its metadata stays: an update that
    /// leaves the last finalizer out of an object that is being deleted deletes it.
    pub(crate) fn rewritten(&self, found: &Value, record: Map<String, Value>, nonce: &str) -> Value {
        let mut metadata = found["metadata"].clone();
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.remove("managedFields");
        }
        json!({
            "apiVersion": self.resource.api_version(),
            "kind": self.kind,
            "metadata": metadata,
            "spec": self.spec(record, nonce),
        })
    }

    fn spec(&self, record: Map<String, Value>, nonce: &str) -> Value {
        let mut spec = record;
        spec.extend(self.own.clone());
        spec.insert(NONCE.to_owned(), nonce.into());
        Value::Object(spec)
    }

    /// The record in an object of this place; none in a network that people made and no member has joined yet.
    pub(crate) fn record(&self, found: &Value) -> Result<Option<Record>, String> {
        let version = version(found)?;
        if self.is_network() && found["spec"].get(AGREED).is_none() {
            return Ok(None);
        }
        let value = match self.unreadable(found) {
            // A text is no record, so that the reason is reported where the record is read.
            Some(reason) => Value::String(reason),
            None => Value::Object(self.fields(found)),
        };
        Ok(Some(Record { value: value.to_string().into_bytes(), version }))
    }

    fn fields(&self, found: &Value) -> Map<String, Value> {
        let mut record = found["spec"].as_object().cloned().unwrap_or_default();
        record.retain(|field, _| field != NONCE && !self.own.contains_key(field));
        record
    }

    /// Why an object is no record that anyone may rely on: then its block counts as claimed.
    fn unreadable(&self, found: &Value) -> Option<String> {
        let differing = self.own.iter().find(|(field, value)| found["spec"].get(field.as_str()) != Some(value));
        if let Some((field, value)) = differing {
            return Some(format!("spec.{field} of the object {} is not {value}", self.name));
        }
        // It goes as soon as its finalizers do, whatever its owner: no node may take it up.
        (self.is_block() && is_terminating(found)).then(|| {
            let finalizers = &found["metadata"]["finalizers"];
            format!("the object {} is being deleted; its finalizers {finalizers} keep it: remove them", self.name)
        })
    }
}

/// The key of an object's record, if the object is one of this network's.
pub(crate) fn key(network: &str, resource: &Resource, found: &Value) -> Option<String> {
    let name = found["metadata"]["name"].as_str()?;
    if *resource == Resource::networks() {
        return (name == network).then(|| record::CONFIG.to_owned());
    }
    let suffix = name::suffix(network, name)?;
    if *resource == Resource::blocks() {
        // A name that is no block's keeps no node from claiming one.
        let block: Option<IpNet> = name::block(network, name);
        return Some(block.map_or_else(|| format!("unknown/{suffix}"), record::block_key));
    }
    let node = found["spec"]["node"].as_str().filter(|node| name::of_member(network, node) == name);
    Some(node.map_or_else(|| format!("unknown/{suffix}"), record::member_key))
}

pub(crate) fn nonce(object: &Value) -> Option<&str> {
    object["spec"][NONCE].as_str()
}

pub(crate) fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Versions are opaque by the API's rules and the revisions of its etcd in fact, which one order needs.
pub(crate) fn version(object: &Value) -> Result<Version, String> {
    let text = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    parse_version(text)
}

pub(crate) fn parse_version(text: &str) -> Result<Version, String> {
    text.parse().ok().filter(|version| *version > 0).map(Version).ok_or_else(|| {
        format!("the resourceVersion {text:?} is not a number: this API server does not keep its objects in one etcd")
    })
}

/// A record's value as the fields of an object.
pub(crate) fn fields(value: &[u8]) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(value).map_err(|error| format!("the record cannot be written as an object: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEYS: [&str; 4] = ["config", "members/node-1", "blocks/10.32.5.0-24", "blocks/fd00::-112"];

    fn stored(mut object: Value) -> Value {
        object["metadata"]["resourceVersion"] = "7".into();
        object["metadata"]["managedFields"] = json!([{"manager": "x"}]);
        object
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was_written(
            key in prop::sample::select(&KEYS[..]),
            numbers in prop::collection::btree_map("[a-z]{1,6}", any::<u64>(), 0..4),
        ) {
            let mut record: Map<String, Value> = numbers.into_iter().map(|(key, value)| (key, value.into())).collect();
            record.insert(AGREED.to_owned(), json!([]));
            record.retain(|field, _| !["node", "cidr", "nonce"].contains(&field.as_str()));
            let place = place("pods", key).unwrap();
            let object = stored(place.object("pods", record.clone(), "00"));
            prop_assert_eq!(super::key("pods", &place.resource, &object), Some(key.to_owned()));
            prop_assert_eq!(super::key("other", &place.resource, &object), None);
            let read = place.record(&object).unwrap().unwrap();
            prop_assert_eq!(read.version, Version(7));
            prop_assert_eq!(fields(&read.value).unwrap(), record);
            prop_assert_eq!(nonce(&object), Some("00"));
        }
    }

    #[test]
    fn what_others_wrote_into_the_metadata_stays() {
        let place = place("pods", KEYS[2]).unwrap();
        let mut found = stored(place.object("pods", Map::new(), "00"));
        found["metadata"]["finalizers"] = json!(["example.org/keep"]);
        found["metadata"]["labels"]["mine"] = "1".into();
        let rewritten = place.rewritten(&found, Map::new(), "11");
        assert_eq!(rewritten["metadata"]["finalizers"], found["metadata"]["finalizers"]);
        assert_eq!(rewritten["metadata"]["labels"], found["metadata"]["labels"]);
        assert_eq!(rewritten["metadata"]["resourceVersion"], "7");
        assert!(rewritten["metadata"].get("managedFields").is_none());
        assert_eq!(nonce(&rewritten), Some("11"));
    }

    #[test]
    fn an_object_that_says_otherwise_than_its_name_is_no_record() {
        let place = place("pods", KEYS[2]).unwrap();
        let mut found = stored(place.object("pods", Map::new(), "00"));
        found["spec"]["cidr"] = "10.32.6.0/24".into();
        let record = place.record(&found).unwrap().unwrap();
        assert!(fields(&record.value).is_err());
        assert_eq!(key("pods", &place.resource, &found).as_deref(), Some(KEYS[2]));
    }
}
