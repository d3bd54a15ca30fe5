//! Signs of life: the Leases that kubelets renew without a write of ours.
//!
//! A change of a Lease proves that its node lives. A missing one proves nothing: the garbage collector also deletes that of
//! a living node, whose Node object was created again under the same name.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Instant;

use gingham_ownership::record::{self, Key, LifeRecord};
use gingham_ownership::shared_store::{Call, Record, Reply, SharedStore, Version};
use serde_json::Value;

use crate::api::Api;
use crate::failure::of_read;
use crate::resource::Resource;

/// A store whose records of life are the Leases.
pub struct WithLeases<S> {
    store: S,
    api: Api,
}

impl<S> WithLeases<S> {
    pub fn new(store: S, api: Api) -> Self {
        Self { store, api }
    }
}

impl<S: SharedStore> SharedStore for WithLeases<S> {
    fn call(&mut self, call: &Call, deadline: Instant) -> Reply {
        if let Call::Get { key } = call
            && let Key::Life(node) = Key::read(key)
        {
            return life(&self.api, node, deadline);
        }
        self.store.call(call, deadline)
    }
}

fn life(api: &Api, node: &str, deadline: Instant) -> Reply {
    match api.get(&Resource::node_leases(), node, deadline) {
        Ok(lease) => Reply::Got(lease.as_ref().and_then(sign)),
        Err(error) => of_read(&error),
    }
}

/// Another one after each renewal, and for each Lease. One without a time was never renewed, and is no sign.
fn sign(lease: &Value) -> Option<Record> {
    let renewed = lease["spec"]["renewTime"].as_str()?;
    let mut hasher = DefaultHasher::new();
    (lease["metadata"]["uid"].as_str(), renewed).hash(&mut hasher);
    let version = lease["metadata"]["resourceVersion"].as_str()?.parse().ok()?;
    let value = record::write(&LifeRecord { incarnation: 0, beat: hasher.finish() });
    Some(Record { value, version: Version(version) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_renewal_is_a_sign_and_a_label_is_none() {
        let lease = |uid: &str, renewed: Value, version: &str| {
            let lease = json!({"metadata": {"uid": uid, "resourceVersion": version}, "spec": {"renewTime": renewed}});
            sign(&lease).map(|record| record.value)
        };
        let first = lease("u", json!("2026-11-29T04:00:00.000000Z"), "7");
        assert!(first.is_some());
        assert_eq!(first, lease("u", json!("2026-11-29T04:00:00.000000Z"), "8"), "labelled");
        assert_ne!(first, lease("u", json!("2026-11-29T04:00:10.000000Z"), "8"), "renewed");
        assert_ne!(first, lease("v", json!("2026-11-29T04:00:00.000000Z"), "8"), "another Lease");
        assert_eq!(lease("u", Value::Null, "7"), None);
    }
}
