//! Network configurations that many tests start from.

use serde_json::{Value, json};

/// The configuration of the README, to the letter.
pub const SEED: &str = r#"{"cniVersion":"0.2.0","name":"mynet","type":"net-script","bridge":"cni0","isGateway":true,"ipMasq":true,
 "ipam":{"type":"host-local","subnet":"10.244.0.0/16","routes":[{"dst":"0.0.0.0/0"}]}}"#;

/// [`SEED`] as a value.
pub fn seed() -> Value {
    serde_json::from_str(SEED).unwrap()
}

/// A bridge network with 10.7.0.0/24 from the built-in policy, in the newest version.
pub fn bridged() -> Value {
    json!({
        "cniVersion": "1.1.0", "name": "mynet", "type": "gingham", "bridge": "cni0", "isGateway": true,
        "ipam": {"type": "host-local", "subnet": "10.7.0.0/24"},
    })
}

/// [`bridged`] with other keys: those of an object are merged, `null` removes.
pub fn bridged_with(changes: Value) -> Value {
    with(bridged(), changes)
}

/// Addresses alone, for a main plugin of another name: no kernel is involved.
pub fn addresses_only() -> Value {
    json!({
        "cniVersion": "1.1.0", "name": "mynet", "type": "some-main-plugin",
        "ipam": {"type": "host-local", "subnet": "10.7.0.0/24"},
    })
}

/// [`addresses_only`] with other keys.
pub fn addresses_only_with(changes: Value) -> Value {
    with(addresses_only(), changes)
}

/// Merges `changes` into a configuration as RFC 7386 has it.
pub fn with(mut base: Value, changes: Value) -> Value {
    merge(&mut base, changes);
    base
}

fn merge(base: &mut Value, changes: Value) {
    match changes {
        Value::Object(changes) if base.is_object() => {
            for (key, change) in changes {
                match change {
                    Value::Null => drop(base.as_object_mut().unwrap().remove(&key)),
                    change => merge(&mut base[key.as_str()], change),
                }
            }
        }
        other => *base = other,
    }
}
