//! Labels, annotations, owners and service accounts of pods, labels of namespaces and of the node decide which address a pod
//! gets: from the API server over agent and store to the policy.

use gingham_engine::attachment::{Fact, Owner};
use gingham_engine::facts::Feed;
use gingham_kubernetes_tests::programs;
use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::ctl;
use serde_json::{Value, json};

use crate::testbed::{Testbed, facts};

#[test]
fn each_fact_decides_and_follows_its_object() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&["by-namespace", "by-zone", "sticky", "quota"]);
    let pools = json!({"label": "team", "pools": {"blue": "10.10.0.0/24", "red": "10.20.0.0/24"}});
    let by_namespace = testbed.network("by-namespace", &pools);
    let by_zone = testbed.network("by-zone", &json!({"zones": {"a": "10.1.0.0/16", "b": "10.2.0.0/16"}}));
    let sticky = testbed.network("sticky", &json!({"subnet": "10.7.0.0/24"}));
    let quota = testbed.network("quota", &json!({"subnet": "10.8.0.0/24", "quota": 1}));
    testbed.pod("web-0", "StatefulSet");
    let agent = testbed.agent();
    testbed.until("the agent knows the pod", || if facts().pods.is_empty() { Err("none".to_owned()) } else { Ok(()) });

    // The sandbox of a new pod may be wanted before the agent has heard of the pod: ADD waits for it.
    testbed.pod("job-0", "Job");
    assert_eq!(address(&testbed.add(&by_namespace, "job-0", "c1").result()), "10.10.0.2");
    assert_eq!(address(&testbed.add(&by_zone, "job-0", "c2").result()), "10.2.0.2");
    assert_eq!(address(&testbed.add(&quota, "job-0", "c3").result()), "10.8.0.2");
    assert_eq!(testbed.add(&quota, "job-0", "c4").fault().code, 11);
    only_a_pod_of_a_stateful_set_returns(&testbed, &sticky);
    let history = ctl(&["policy", "record", "sticky"]).done();
    assert!(history.contains("StatefulSet"), "a replay needs it: {history}");

    everything_is_known_of_a_pod();

    // Objects change, and end; a policy's authority is the namespace, which pods cannot forge.
    let kubectl = testbed.kubectl();
    kubectl.run(&["label", "--overwrite", "namespace", "shop", "team=red"]).stdout();
    kubectl.run(&["delete", "pod", "web-0", "--namespace=shop", "--force", "--grace-period=0"]).stdout();
    testbed.until("the change is known", || {
        let known = facts();
        let team = known.namespaces["shop"].labels.as_ref().unwrap()["team"].clone();
        let is_gone = !known.pods.contains_key(&("shop".to_owned(), "web-0".to_owned()));
        if team == "red" && is_gone { Ok(()) } else { Err(format!("{team} {is_gone}")) }
    });
    assert_eq!(address(&testbed.add(&by_namespace, "job-0", "c5").result()), "10.20.0.2");

    // What is known outlives the agent, which is not waited for then.
    drop(agent);
    assert_eq!(address(&testbed.add(&by_namespace, "job-0", "c6").result()), "10.20.0.3");
    testbed.pod("late-0", "Job");
    // Without an owner that is known, the policy goes by the name.
    testbed.add(&sticky, "late-0", "c7").result();
}

fn only_a_pod_of_a_stateful_set_returns(testbed: &Testbed, sticky: &Value) {
    for (pod, returns) in [("web-0", true), ("job-0", false)] {
        let first = format!("{pod}-1");
        let had = address(&testbed.add(sticky, pod, &first).result());
        let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME={pod}");
        let del = Cni::of("DEL", sticky).variable("CNI_CONTAINERID", &first).interface("eth0").args(&args);
        del.run().succeeds();
        testbed.pod(&format!("other-than-{pod}"), "ReplicaSet");
        testbed.add(sticky, &format!("other-than-{pod}"), &format!("other-than-{pod}")).result();
        assert_eq!(address(&testbed.add(sticky, pod, &format!("{pod}-2")).result()) == had, returns, "{pod}");
    }
}

fn everything_is_known_of_a_pod() {
    let known = facts();
    let pod = &known.pods[&("shop".to_owned(), "web-0".to_owned())];
    assert_eq!(pod.service_account, Fact::Known("default".to_owned()));
    let owner = Owner {
        kind: "StatefulSet".to_owned(),
        name: "web".to_owned(),
        uid: "3f0c8f3e-0000-4000-8000-000000000001".to_owned(),
    };
    assert_eq!(pod.owner, Fact::Known(owner));
    assert_eq!(pod.labels.as_ref().unwrap()["app"], "web");
    assert_eq!(pod.annotations.as_ref().unwrap()["note"], "of-the-pod");
}

#[test]
fn nothing_is_watched_that_no_policy_reads() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&["quota", "by-zone"]);
    testbed.network("quota", &json!({"subnet": "10.8.0.0/24", "quota": 1}));
    testbed.pod("web-0", "StatefulSet");
    let user = "system:serviceaccount:gingham-system:gingham-node";
    let _agent = testbed.agent();
    let feed = |is_fed: bool| {
        testbed.until("the agent has written what it does", || {
            let feed = facts().feed;
            if feed == (Feed { facts: is_fed, events: true }) { Ok(()) } else { Err(format!("{feed:?}")) }
        });
    };
    feed(false);
    let for_facts = || {
        let mut requests = testbed.plane.audit_log().requests(user);
        requests.retain(|kind, _| kind.resource != "allocationpolicies");
        requests
    };
    assert!(for_facts().is_empty(), "{:?}", for_facts());
    // A policy that reads labels of the node comes.
    testbed.network("by-zone", &json!({"zones": {"b": "10.2.0.0/16"}}));
    feed(true);
    testbed.until("the node is known", || facts().node.map(drop).ok_or_else(|| "unknown".to_owned()));
    assert!(facts().pods.is_empty());
    let requests = for_facts();
    assert!(requests.keys().all(|kind| kind.resource == "nodes"), "{requests:?}");
    assert!(requests.keys().all(|kind| kind.verb == "list" || kind.verb == "watch"), "{requests:?}");
}
