//! What a pod is refused is an Event on the pod, with the policy's sentence: once, with a count.

use std::thread::sleep;
use std::time::Duration;

use gingham_kubernetes_tests::programs;
use gingham_tests::cni::Cni;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::testbed::{Testbed, facts};

fn events(testbed: &Testbed, pod: &str) -> Vec<Value> {
    let selector = format!("--field-selector=involvedObject.name={pod}");
    let listed = testbed.kubectl().get(&["events", "--namespace=shop", &selector]);
    listed["items"].as_array().unwrap().clone()
}

fn the_event_is_counted_and_described(testbed: &Testbed) {
    let event = testbed.until("it is counted", || {
        let mut events = events(testbed, "web-1");
        assert_eq!(events.len(), 1, "{events:?}");
        let event = events.remove(0);
        if event["count"].as_u64().unwrap() > 3 { Ok(event) } else { Err(event.to_string()) }
    });
    assert_eq!((&event["reason"], &event["type"]), (&json!("AddressUnavailable"), &json!("Warning")));
    let message = event["message"].as_str().unwrap();
    assert!(message.contains("network quota: ") && message.contains("its quota is 1"), "{message}");
    let described = testbed.kubectl().run(&["describe", "pod", "web-1", "--namespace=shop"]).stdout();
    assert!(described.contains("AddressUnavailable") && described.contains("its quota is 1"), "{described}");
}

#[test]
fn a_refusal_is_one_event_with_a_count() {
    if !programs::has_control_plane() {
        return;
    }
    let mut testbed = Testbed::new(&["quota", "by-namespace"]);
    let quota = testbed.network("quota", &json!({"subnet": "10.8.0.0/30", "quota": 1}));
    let agent = testbed.agent();
    testbed.pod("web-0", "ReplicaSet");
    testbed.pod("web-1", "ReplicaSet");
    // Before that no Event is made.
    testbed.until("the agent has begun", || if facts().feed.events { Ok(()) } else { Err("not yet".to_owned()) });
    testbed.add(&quota, "web-0", "c0").result();
    let mut sandboxes = (1..).map(|number| format!("sandbox-{number}"));
    testbed.until("the refusal is an Event", || {
        let sandbox = sandboxes.next().unwrap();
        assert_eq!(testbed.add(&quota, "web-1", &sandbox).fault().code, 11);
        sleep(Duration::from_millis(500));
        let events = events(&testbed, "web-1");
        if events.is_empty() { Err("none".to_owned()) } else { Ok(()) }
    });
    for sandbox in sandboxes.take(3) {
        testbed.add(&quota, "web-1", &sandbox).fault();
    }
    the_event_is_counted_and_described(&testbed);

    // The API server is away while a pod is refused; the agent is killed meanwhile.
    testbed.pod("web-2", "ReplicaSet");
    let denied = testbed.network("by-namespace", &json!({"pools": {"other": "10.10.0.0/24"}}));
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-2";
    testbed.plane.api_server.end(Signal::KILL);
    let add = Cni::add(&denied, &testbed.node.container("c2")).args(args);
    assert_eq!(add.run().fault().code, 102);
    drop(agent);
    testbed.plane.api_server.start();
    let _agent = testbed.agent();
    let events = testbed.until("the refusal was kept", || {
        let events = events(&testbed, "web-2");
        if events.is_empty() { Err("none".to_owned()) } else { Ok(events) }
    });
    assert_eq!(events[0]["reason"], "AddressRefused");
    assert_eq!(events.len(), 1);
}
