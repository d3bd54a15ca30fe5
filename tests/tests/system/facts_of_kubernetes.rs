//! What the node agent knows from Kubernetes reaches the policies that ask for it. A policy that reads nothing waits for
//! nothing, and a fact that does not come in time is unknown: then the policy decides.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use gingham_engine::attachment::{Fact, Labels, Owner};
use gingham_engine::boot_id;
use gingham_engine::clock;
use gingham_engine::facts::{Facts, Feed, KnownPod, NamespaceFacts, NodeFacts};
use gingham_engine::ipam::ShadowCounters;
use gingham_engine::pod_refusal::RefusalReason;
use gingham_engine::store::Store;
use gingham_net::node_routes::AgentLock;
use gingham_tests::cni::{Cni, Outcome, address};
use gingham_tests::ctl::ctl;
use gingham_tests::networks::addresses_only_with;
use gingham_tests::node::{Container, DATA, Node};
use serde_json::{Value, json};

/// A node with some of the repository's policies installed.
fn node_with(policies: &[&str]) -> Node {
    let node = Node::new();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for policy in policies {
        let built = gingham_build::build_policy(&workspace.join("policies").join(policy)).unwrap();
        let file = format!("/run/{policy}.wasm");
        fs::write(&file, built.bytes).unwrap();
        ctl(&["policy", "add", &file]).done();
    }
    node
}

fn network(policy: &str, config: &[(&str, Value)]) -> Value {
    let mut ipam = json!({"type": "gingham", "policy": policy, "subnet": null});
    config.iter().for_each(|(key, value)| ipam[*key] = value.clone());
    addresses_only_with(json!({"ipam": ipam}))
}

fn add(network: &Value, container: &Container, pod: &str) -> Outcome {
    let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME={pod};K8S_POD_UID=uid-of-{pod}");
    Cni::add(network, container).args(&args).run()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn known(pod: &str, owner: &str) -> ((String, String), KnownPod) {
    let owner = Owner { kind: owner.to_owned(), name: "web".to_owned(), uid: "uid-of-owner".to_owned() };
    let known = KnownPod {
        observed_at: 1,
        uids: vec![format!("uid-of-{pod}")],
        service_account: Fact::Known("default".to_owned()),
        owner: Fact::Known(owner),
        labels: Some(labels(&[("app", "web")])),
        annotations: Some(labels(&[])),
    };
    (("shop".to_owned(), pod.to_owned()), known)
}

fn some_facts() -> Facts {
    let shop =
        NamespaceFacts { observed_at: 1, labels: Some(labels(&[("team", "blue")])), annotations: Some(labels(&[])) };
    Facts {
        feed: Feed { facts: true, events: true },
        node: Some(NodeFacts { observed_at: 1, labels: Some(labels(&[("topology.kubernetes.io/zone", "b")])) }),
        namespaces: BTreeMap::from([("shop".to_owned(), shop)]),
        pods: BTreeMap::from([known("web-x7f2k", "ReplicaSet"), known("web-0", "StatefulSet")]),
    }
}

/// As the agent does.
fn keep(facts: &Facts) {
    let store = Store::open(Path::new(DATA), &boot_id::read().unwrap(), clock::now()).unwrap();
    store.keep_facts(facts).unwrap();
}

#[test]
fn labels_of_the_namespace_decide_which_pool_a_pod_has() {
    let node = node_with(&["by-namespace"]);
    let pools = json!({"blue": "10.10.0.0/24", "red": "10.20.0.0/24"});
    let network = network("by-namespace", &[("label", json!("team")), ("pools", pools)]);
    let fault = add(&network, &node.container("c1"), "web-0").fault().msg;
    assert!(fault.contains("the label team of the pod's namespace is unknown"), "{fault}");
    keep(&some_facts());
    assert_eq!(address(&add(&network, &node.container("c2"), "web-0").result()), "10.10.0.2");
    let mut facts = some_facts();
    facts.namespaces.get_mut("shop").unwrap().labels = Some(labels(&[("team", "green")]));
    keep(&facts);
    let fault = add(&network, &node.container("c3"), "web-0").fault().msg;
    assert!(fault.contains("namespaces with team=green have no pool here"), "{fault}");
}

#[test]
fn labels_of_the_node_decide_its_zone_in_every_verb() {
    let node = node_with(&["by-zone"]);
    let network = network("by-zone", &[("zones", json!({"a": "10.1.0.0/16", "b": "10.2.0.0/16"}))]);
    let fault = Cni::status(&network).run().fault();
    assert!(fault.msg.contains("the labels of node"), "{fault:?}");
    keep(&some_facts());
    let c1 = node.container("c1");
    let outcome = add(&network, &c1, "web-0");
    assert_eq!(address(&outcome.result()), "10.2.0.2");
    Cni::status(&network).run().succeeds();
    Cni::check(&network, &c1, &outcome.result()).run().succeeds();
    Cni::del(&network, &c1).run().succeeds();
}

#[test]
fn the_owner_decides_whether_a_pod_comes_back_to_its_address() {
    let node = node_with(&["sticky"]);
    let network = network("sticky", &[("subnet", json!("10.7.0.0/24"))]);
    let mut facts = some_facts();
    // By its name it could be one of a StatefulSet, and it is none.
    facts.pods.extend([known("job-0", "Job")]);
    keep(&facts);
    for (pod, returns) in [("web-0", true), ("job-0", false)] {
        let (first, second) = (node.container(&format!("{pod}-1")), node.container(&format!("{pod}-2")));
        let had = address(&add(&network, &first, pod).result());
        Cni::del(&network, &first).run().succeeds();
        add(&network, &node.container(&format!("{pod}-other")), "web-x7f2k").result();
        assert_eq!(address(&add(&network, &second, pod).result()) == had, returns, "{pod}");
    }
}

#[test]
fn facts_of_an_earlier_pod_of_the_same_name_are_not_believed() {
    let node = node_with(&["sticky"]);
    let network = network("sticky", &[("subnet", json!("10.7.0.0/24")), ("record", json!(true))]);
    let mut facts = some_facts();
    facts.pods.values_mut().for_each(|pod| pod.uids = vec!["an-earlier-uid".to_owned()]);
    keep(&facts);
    add(&network, &node.container("c1"), "web-0").result();
    keep(&some_facts());
    add(&network, &node.container("c2"), "web-x7f2k").result();
    let history = ctl(&["policy", "record", "mynet"]).done();
    let requests: Vec<Value> = history
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|entry| entry.get("request").cloned().or_else(|| entry["event"].get("request").cloned()))
        .collect();
    let text = format!("{requests:?}");
    assert!(!text.contains("StatefulSet"), "{text}");
    assert!(text.contains("ReplicaSet"), "the history has the facts, so that a replay is exact: {history}");
}

#[test]
fn an_add_waits_for_a_fact_while_the_agent_runs() {
    let node = node_with(&["by-namespace"]);
    let pools = json!({"blue": "10.10.0.0/24"});
    let network = network("by-namespace", &[("label", json!("team")), ("pools", pools)]);
    let empty = Facts { feed: Feed { facts: true, events: false }, ..Facts::default() };
    keep(&empty);
    let took = |container: &str| {
        let container = node.container(container);
        let start = Instant::now();
        let outcome = add(&network, &container, "web-0");
        (start.elapsed(), outcome)
    };
    let (without_agent, outcome) = took("c1");
    assert_eq!(outcome.fault().code, 102);
    let lock = AgentLock::take(Path::new(DATA)).unwrap();
    let (with_agent, outcome) = took("c2");
    assert_eq!(outcome.fault().code, 102);
    assert!(with_agent >= Duration::from_millis(900), "it waited only {with_agent:?}");
    assert!(without_agent < with_agent, "{without_agent:?}, and nobody would have written one");
    let (begin, begun) = mpsc::channel::<()>();
    let agent = thread::spawn(move || {
        begun.recv().unwrap();
        thread::sleep(Duration::from_millis(300));
        keep(&some_facts());
    });
    begin.send(()).unwrap();
    let (_, outcome) = took("c3");
    assert_eq!(address(&outcome.result()), "10.10.0.2");
    agent.join().unwrap();
    drop(lock);
}

#[test]
fn a_policy_that_asks_for_no_fact_waits_for_none() {
    let node = node_with(&["quota"]);
    let network = network("quota", &[("subnet", json!("10.7.0.0/24")), ("quota", json!(5))]);
    keep(&Facts { feed: Feed { facts: true, events: false }, ..Facts::default() });
    let _lock = AgentLock::take(Path::new(DATA)).unwrap();
    let container = node.container("c1");
    let start = Instant::now();
    add(&network, &container, "web-0").result();
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
}

#[test]
fn a_fact_that_is_imported_and_not_read_is_not_waited_for() {
    let node = node_with(&["by-namespace"]);
    // With `label` it reads a label of the namespace; the component is the same.
    let network = network("by-namespace", &[("pools", json!({"shop": "10.10.0.0/24"}))]);
    keep(&Facts { feed: Feed { facts: true, events: false }, ..Facts::default() });
    let _lock = AgentLock::take(Path::new(DATA)).unwrap();
    let container = node.container("c1");
    let start = Instant::now();
    assert_eq!(address(&add(&network, &container, "web-0").result()), "10.10.0.2");
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
}

#[test]
fn others_are_served_while_an_add_waits_for_a_fact() {
    let node = node_with(&["by-namespace", "quota"]);
    let pools = json!({"blue": "10.10.0.0/24"});
    let mut waits = network("by-namespace", &[("label", json!("team")), ("pools", pools)]);
    waits["name"] = json!("waits");
    let quota = network("quota", &[("subnet", json!("10.7.0.0/24")), ("quota", json!(5))]);
    keep(&Facts { feed: Feed { facts: true, events: false }, ..Facts::default() });
    let _lock = AgentLock::take(Path::new(DATA)).unwrap();
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let start = Instant::now();
            (add(&waits, &c1, "web-0"), start.elapsed())
        });
        // Both plugins read the store by now, and the first one waits.
        thread::sleep(Duration::from_millis(300));
        add(&quota, &c2, "web-1").result();
        assert!(!waiting.is_finished(), "it was served after the one that waits");
        let (outcome, took) = waiting.join().unwrap();
        assert_eq!(outcome.fault().code, 102);
        assert!(took >= Duration::from_millis(900), "{took:?}");
    });
}

#[test]
fn a_shadow_gets_the_facts_that_it_reads() {
    let node = node_with(&["by-namespace", "quota"]);
    let by_label = json!({"policy": "by-namespace", "config": {"label": "team", "pools": {"blue": "10.7.0.0/24"}}});
    let network = network("quota", &[("subnet", json!("10.7.0.0/24")), ("quota", json!(5)), ("shadow", by_label)]);
    keep(&Facts { feed: Feed { facts: true, events: false }, ..Facts::default() });
    let lock = AgentLock::take(Path::new(DATA)).unwrap();
    let agent = thread::spawn(|| {
        thread::sleep(Duration::from_millis(300));
        keep(&some_facts());
    });
    assert_eq!(address(&add(&network, &node.container("c1"), "web-0").result()), "10.7.0.2");
    agent.join().unwrap();
    drop(lock);
    let store = Store::open_read_only(Path::new(DATA)).unwrap().unwrap();
    let counters = ShadowCounters::read(&store.ledger("mynet").unwrap()).unwrap().unwrap();
    assert_eq!((counters.agreed, counters.last), (1, None));
}

#[test]
fn what_a_pod_is_refused_waits_for_the_agent() {
    let node = node_with(&["quota", "by-namespace"]);
    let quota = network("quota", &[("subnet", json!("10.7.0.0/30")), ("quota", json!(1))]);
    let refusals = || Store::open_read_only(Path::new(DATA)).unwrap().unwrap().refusals().unwrap();
    add(&quota, &node.container("c1"), "web-0").result();
    add(&quota, &node.container("c2"), "web-1").fault();
    assert_eq!(refusals(), [], "without an agent that makes Events nothing is kept");
    keep(&Facts { feed: Feed { facts: false, events: true }, ..Facts::default() });
    for container in ["c3", "c4"] {
        assert_eq!(add(&quota, &node.container(container), "web-1").fault().code, 11);
    }
    let left = refusals();
    assert_eq!((left.len(), left[0].count, left[0].reason), (1, 2, RefusalReason::AddressUnavailable));
    assert!(left[0].message.contains("namespace shop has 1 addresses here, and its quota is 1"), "{left:?}");
    assert_eq!(left[0].pod.uid.as_deref(), Some("uid-of-web-1"));
    let denied = network("by-namespace", &[("pools", json!({"other": "10.10.0.0/24"}))]);
    assert_eq!(add(&denied, &node.container("c5"), "web-2").fault().code, 102);
    assert_eq!(refusals().iter().filter(|one| one.reason == RefusalReason::AddressRefused).count(), 1);
    let full = network("quota", &[("subnet", json!("10.7.0.0/30")), ("quota", json!(9))]);
    assert_eq!(add(&full, &node.container("c6"), "web-3").fault().code, 103);
    assert_eq!(refusals().iter().filter(|one| one.reason == RefusalReason::AddressPoolExhausted).count(), 1);
}
