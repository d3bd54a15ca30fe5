//! The API's objects `Event`, as the kubelet writes them: `kubectl describe` reads this form.

use std::hash::{DefaultHasher, Hash, Hasher};

use gingham_engine::pod_refusal::PodRefusal;
use jiff::Timestamp;
use serde_json::{Value, json};

const COMPONENT: &str = "gingham-node";

/// Of a name in Kubernetes, less what [`name`] adds.
const LONGEST_POD_NAME: usize = 230;

/// The same for the same refusal: a write that is repeated makes no second Event.
pub(super) fn name(refusal: &PodRefusal) -> String {
    let mut hasher = DefaultHasher::new();
    (&refusal.network, &refusal.pod.uid, refusal.reason, refusal.first).hash(&mut hasher);
    let pod = refusal.pod.name.as_deref().unwrap_or_default();
    let pod = pod[..pod.floor_char_boundary(LONGEST_POD_NAME)].trim_end_matches(['.', '-']);
    format!("{pod}.{:016x}", hasher.finish())
}

pub(super) fn first(refusal: &PodRefusal, name: &str, node: &str) -> Value {
    let pod = &refusal.pod;
    let mut event = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": pod.namespace},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid},
        "type": "Warning",
        "reason": refusal.reason.name(),
        "source": {"component": COMPONENT, "host": node},
        "reportingComponent": COMPONENT,
        "reportingInstance": node,
        "firstTimestamp": time(refusal.first),
    });
    if let (Some(event), Value::Object(again)) = (event.as_object_mut(), again(refusal, refusal.count)) {
        event.extend(again);
    }
    event
}

/// What changes when it happens again.
pub(super) fn again(refusal: &PodRefusal, count: u64) -> Value {
    let message = format!("network {}: {}", refusal.network, refusal.message);
    json!({"message": message, "count": i32::try_from(count).unwrap_or(i32::MAX), "lastTimestamp": time(refusal.last)})
}

/// The API's times have seconds.
fn time(milliseconds: u64) -> Option<String> {
    let seconds = i64::try_from(milliseconds / 1000).ok()?;
    Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use gingham_engine::attachment::Pod;
    use gingham_engine::pod_refusal::RefusalReason;

    use super::*;

    #[test]
    fn an_event_says_what_the_policy_said_and_how_often() {
        let pod = Pod { namespace: Some("shop".into()), name: Some("web-0".into()), uid: Some("u".into()) };
        let mut refusal =
            PodRefusal::new("mynet", pod, RefusalReason::AddressPoolExhausted, "no address", 1_700_000_000_123);
        let name = name(&refusal);
        assert!(name.starts_with("web-0.") && name == super::name(&refusal));
        let event = first(&refusal, &name, "node-1");
        assert_eq!(event["firstTimestamp"], "2023-11-14T22:13:20Z");
        assert_eq!((&event["message"], &event["count"]), (&json!("network mynet: no address"), &json!(1)));
        assert_eq!((&event["reason"], &event["involvedObject"]["uid"]), (&json!("AddressPoolExhausted"), &json!("u")));
        refusal.first += 1;
        assert_ne!(name, super::name(&refusal), "an Event that is forgotten gets another name");
        refusal.pod.name = Some("w".repeat(253));
        assert!(super::name(&refusal).len() <= 253);
    }
}
