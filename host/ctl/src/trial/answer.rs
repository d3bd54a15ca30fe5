//! What the plugin answered to ADD, in the shape of whatever version.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::container::{Container, INTERFACE};

/// An answer that does not fit the specification.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("the plugin's result is not a JSON object ({reason}): {text}")]
    NoObject { text: String, reason: String },
    #[error("the plugin's result lacks an address: {item}")]
    NoAddress { item: String },
}

/// A result.
#[derive(Debug)]
pub(super) struct Answer {
    /// As the plugin wrote it.
    pub(super) text: String,
    /// The container's addresses.
    pub(super) ips: Vec<Ip>,
    object: Map<String, Value>,
}

/// An address of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ip {
    pub(super) address: IpNet,
    pub(super) gateway: Option<IpAddr>,
}

impl Answer {
    /// Reads standard output.
    pub(super) fn read(text: String) -> Result<Self, AnswerError> {
        let object: Map<String, Value> = serde_json::from_str(&text)
            .map_err(|error| AnswerError::NoObject { text: text.clone(), reason: error.to_string() })?;
        let listed = object.get("ips").and_then(Value::as_array).into_iter().flatten();
        let ips: Result<Vec<Ip>, _> = match object.get("ips") {
            Some(_) => listed.map(|item| ip(item, "address")).collect(),
            // Before 0.3.0: an object for each family.
            None => ["ip4", "ip6"].iter().filter_map(|key| object.get(*key)).map(|item| ip(item, "ip")).collect(),
        };
        Ok(Self { ips: ips?, text, object })
    }

    /// The addresses as text.
    pub(super) fn addresses(&self) -> String {
        match self.ips.as_slice() {
            [] => "no address".to_owned(),
            ips => ips.iter().map(|ip| ip.address.to_string()).collect::<Vec<_>>().join(", "),
        }
    }

    /// What CHECK gets as `prevResult`: the answer itself, or brought into the shape of 1.0.0 as a runtime does when the
    /// configuration asked for an older one.
    pub(super) fn previous(&self, container: &Container, version: &str) -> Value {
        if self.object.get("cniVersion").and_then(Value::as_str) == Some(version) {
            return Value::Object(self.object.clone());
        }
        let ip = |ip: &Ip| json!({"address": ip.address, "gateway": ip.gateway, "interface": 0});
        json!({
            "cniVersion": version,
            "interfaces": [{"name": INTERFACE, "sandbox": container.path}],
            "ips": self.ips.iter().map(ip).collect::<Vec<_>>(),
            "routes": self.routes(),
            "dns": self.object.get("dns").cloned().unwrap_or_else(|| json!({})),
        })
    }

    fn routes(&self) -> Vec<Value> {
        let of_families = ["ip4", "ip6"].iter().filter_map(|key| self.object.get(*key));
        let holders = of_families.filter_map(Value::as_object).chain([&self.object]);
        holders.filter_map(|holder| holder.get("routes")?.as_array()).flatten().cloned().collect()
    }
}

fn ip(item: &Value, key: &str) -> Result<Ip, AnswerError> {
    let no_address = || AnswerError::NoAddress { item: item.to_string() };
    let address = item.get(key).and_then(Value::as_str).and_then(|text| text.parse().ok()).ok_or_else(no_address)?;
    let gateway = item.get("gateway").and_then(Value::as_str).and_then(|text| text.parse().ok());
    Ok(Ip { address, gateway })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> Container {
        let namespace = gingham_net::netns::NetNs::current().unwrap();
        Container { id: "try-1", path: "/run/netns/try-1".into(), namespace }
    }

    fn read(text: &str) -> Answer {
        Answer::read(text.to_owned()).unwrap()
    }

    #[test]
    fn both_shapes_have_the_same_addresses() {
        let old = read(
            r#"{"cniVersion":"0.2.0","ip4":{"ip":"10.1.0.2/16","gateway":"10.1.0.1"},"ip6":{"ip":"fd00::2/64"},"dns":{}}"#,
        );
        let new = read(
            r#"{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.2/16","gateway":"10.1.0.1"},{"address":"fd00::2/64"}]}"#,
        );
        assert_eq!(old.ips, new.ips);
        assert_eq!(old.addresses(), "10.1.0.2/16, fd00::2/64");
    }

    #[test]
    fn an_old_answer_becomes_a_new_previous_result() {
        let old = read(
            r#"{"cniVersion":"0.2.0","ip4":{"ip":"10.1.0.2/16","gateway":"10.1.0.1","routes":[{"dst":"0.0.0.0/0"}]},"dns":{}}"#,
        );
        let previous = old.previous(&container(), "1.0.0");
        let expected = json!({
            "cniVersion": "1.0.0", "dns": {}, "routes": [{"dst": "0.0.0.0/0"}],
            "interfaces": [{"name": "eth0", "sandbox": "/run/netns/try-1"}],
            "ips": [{"address": "10.1.0.2/16", "gateway": "10.1.0.1", "interface": 0}],
        });
        assert_eq!(previous, expected);
    }

    #[test]
    fn an_answer_of_the_right_version_is_handed_back_as_it_is() {
        let answer = read(r#"{"cniVersion":"1.1.0","interfaces":[{"name":"cni0","mtu":1400}],"x":1}"#);
        assert_eq!(answer.previous(&container(), "1.1.0"), Value::Object(answer.object.clone()));
        assert_eq!(answer.addresses(), "no address");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "[]", r#"{"ips":[{}]}"#, r#"{"ip4":{"ip":"ten"}}"#] {
            assert!(Answer::read(text.to_owned()).is_err(), "{text}");
        }
    }
}
