//! Objects of a kind, each parsed again only when it has changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use gingham_kubernetes::ObjectKey;
use serde_json::Value;
use tracing::debug;

pub(super) struct Parsed<T> {
    kind: &'static str,
    read: fn(&Value) -> T,
    objects: BTreeMap<ObjectKey, (Arc<Value>, Arc<T>)>,
}

impl<T> Parsed<T> {
    pub(super) fn new(kind: &'static str, read: fn(&Value) -> T) -> Self {
        Self { kind, read, objects: BTreeMap::new() }
    }

    pub(super) fn follow(&mut self, objects: &BTreeMap<ObjectKey, Arc<Value>>) {
        self.objects.retain(|key, _| objects.contains_key(key));
        let mut parsed = 0;
        for (key, object) in objects {
            // Both hold it, so another object is at another place.
            if self.objects.get(key).is_none_or(|(known, _)| !Arc::ptr_eq(known, object)) {
                self.objects.insert(key.clone(), (Arc::clone(object), Arc::new((self.read)(object))));
                parsed += 1;
            }
        }
        if parsed > 0 {
            debug!(kind = self.kind, count = parsed, "parsed objects");
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<T>> {
        self.objects.values().map(|(_, parsed)| parsed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey { namespace: String::new(), name: name.to_owned() }
    }

    #[test]
    fn only_objects_that_changed_are_parsed() {
        let of = |values: &[(&str, u64)]| -> BTreeMap<ObjectKey, Arc<Value>> {
            values.iter().map(|(name, value)| (key(name), Arc::new(json!(value)))).collect()
        };
        let mut parsed = Parsed::new("numbers", Value::as_u64);
        let mut objects = of(&[("a", 1), ("b", 2), ("c", 3)]);
        parsed.follow(&objects);
        let before: Vec<Arc<Option<u64>>> = parsed.all().cloned().collect();
        objects.remove(&key("a"));
        objects.insert(key("c"), Arc::new(json!(4)));
        parsed.follow(&objects);
        let after: Vec<Arc<Option<u64>>> = parsed.all().cloned().collect();
        assert_eq!(after.iter().map(|value| **value).collect::<Vec<_>>(), [Some(2), Some(4)]);
        assert!(Arc::ptr_eq(&before[1], &after[0]), "b is the same");
    }
}
