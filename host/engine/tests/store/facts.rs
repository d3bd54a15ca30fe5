//! Facts of Kubernetes: kept and read as they are, bounded, and there after a restart and a reboot.

use std::collections::BTreeMap;

use gingham_engine::attachment::{Fact, Labels, Owner, Pod};
use gingham_engine::facts::{Facts, Feed, KnownPod, LARGEST_LABELS, MOST_PODS, NamespaceFacts, NodeFacts, kept};
use gingham_engine::ledger::LedgerQueries;
use gingham_engine::pod_refusal::{MOST_REFUSALS, PodRefusal, RefusalReason};
use gingham_engine::store::{Kept, Store, StoreReader};

use crate::fixtures::{BOOT, NOW, Tmpfs, add, check_invariants, open};

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn pod(uid: &str, app: &str) -> KnownPod {
    KnownPod {
        observed_at: NOW,
        uids: vec![uid.to_owned()],
        service_account: Fact::Known("default".to_owned()),
        owner: Fact::Known(Owner { kind: "ReplicaSet".into(), name: "web-7f".into(), uid: "o-1".into() }),
        labels: Some(labels(&[("app", app)])),
        annotations: Some(Labels::new()),
    }
}

fn some_facts() -> Facts {
    let namespace = NamespaceFacts {
        observed_at: NOW,
        labels: Some(labels(&[("team", "blue")])),
        annotations: Some(Labels::new()),
    };
    Facts {
        feed: Feed { facts: true, events: true },
        node: Some(NodeFacts { observed_at: NOW, labels: Some(labels(&[("zone", "a")])) }),
        namespaces: BTreeMap::from([("shop".to_owned(), namespace)]),
        pods: BTreeMap::from([
            (("shop".to_owned(), "web-1".to_owned()), pod("u-1", "web")),
            (("shop".to_owned(), "web-2".to_owned()), pod("u-2", "web")),
        ]),
    }
}

fn keep(disk: &Tmpfs, facts: &Facts) -> Kept {
    Store::open(&disk.store(), BOOT, NOW).unwrap().keep_facts(facts).unwrap()
}

fn reader(disk: &Tmpfs) -> StoreReader {
    Store::open_read_only(&disk.store()).unwrap().unwrap()
}

#[test]
fn what_is_kept_is_read_and_only_what_changed_is_written() {
    let disk = Tmpfs::of("8m");
    add(&disk.store(), "c2", "10.0.0.2");
    let mut facts = some_facts();
    assert_eq!(keep(&disk, &facts).changes, 5);
    assert_eq!(reader(&disk).facts().unwrap(), facts);
    assert_eq!(reader(&disk).pod_facts("shop", "web-1").unwrap(), Some(pod("u-1", "web")));
    assert_eq!(reader(&disk).pod_facts("shop", "web").unwrap(), None, "a name is not a prefix");
    assert!(reader(&disk).namespace_facts("shop").unwrap().is_some());
    assert_eq!(reader(&disk).node_facts().unwrap(), facts.node);
    // Seen again later, and saying the same.
    facts.pods.values_mut().for_each(|pod| pod.observed_at += 1_000);
    assert!(facts.say_the_same_as(&some_facts()));
    assert_eq!(keep(&disk, &facts).changes, 0);
    facts.pods.remove(&("shop".to_owned(), "web-2".to_owned()));
    facts.pods.insert(("shop".to_owned(), "web-1".to_owned()), pod("u-9", "web"));
    assert!(!facts.say_the_same_as(&some_facts()));
    assert_eq!(keep(&disk, &facts).changes, 2, "one is gone, one is another pod of the same name");
    assert_eq!(reader(&disk).facts().unwrap(), facts);
    let ledger = open(&disk.store());
    assert_eq!(ledger.attachment_count().unwrap(), 1, "leases are not touched");
    check_invariants(&ledger);
}

#[test]
fn a_pod_is_the_one_of_its_identity() {
    let known = KnownPod { uids: vec!["mirror".into(), "static".into()], ..KnownPod::default() };
    assert!(known.is(Some("mirror")) && known.is(Some("static")) && known.is(None));
    assert!(!known.is(Some("an-earlier-one")));
}

#[test]
fn facts_outlive_a_reboot_of_the_node() {
    let disk = Tmpfs::of("8m");
    keep(&disk, &some_facts());
    drop(Store::open(&disk.store(), "5f0f1b3c-0000-4000-8000-000000000002", NOW).unwrap());
    assert_eq!(reader(&disk).facts().unwrap(), some_facts());
    Store::examine(&disk.store(), "5f0f1b3c-0000-4000-8000-000000000002").unwrap();
}

#[test]
fn there_is_a_bound() {
    let disk = Tmpfs::of("64m");
    let many = (0..MOST_PODS + 3).map(|n| (("shop".to_owned(), format!("web-{n:05}")), pod("u", "web"))).collect();
    let kept_facts = keep(&disk, &Facts { pods: many, ..Facts::default() });
    assert_eq!(kept_facts, Kept { changes: MOST_PODS, left_out: 3 });
    assert_eq!(reader(&disk).facts().unwrap().pods.len(), MOST_PODS);
    let large = "x".repeat(LARGEST_LABELS);
    assert_eq!(kept(labels(&[("a", &large)])), None, "unknown, not absent");
    let of_kubectl = labels(&[("kubectl.kubernetes.io/last-applied-configuration", &large), ("a", "b")]);
    assert_eq!(kept(of_kubectl), Some(labels(&[("a", "b")])));
}

fn refusal(pod: &str, message: &str, now: u64) -> PodRefusal {
    let pod = Pod { namespace: Some("shop".into()), name: Some(pod.into()), uid: Some("u-1".into()) };
    PodRefusal::new("net", pod, RefusalReason::AddressPoolExhausted, message, now)
}

#[test]
fn refusals_wait_for_the_agent_one_for_each_pod_and_reason() {
    let disk = Tmpfs::of("8m");
    let leave = |refusal| Store::open(&disk.store(), BOOT, NOW).unwrap().leave_refusal(refusal).unwrap();
    leave(refusal("web-1", "first", NOW));
    leave(refusal("web-1", "second", NOW + 5));
    leave(refusal("web-2", "other", NOW));
    let reported = reader(&disk).refusals().unwrap();
    assert_eq!(reported.len(), 2);
    let first = reported.iter().find(|refusal| refusal.pod.name.as_deref() == Some("web-1")).unwrap();
    assert_eq!((first.count, first.first, first.last, first.message.as_str()), (2, NOW, NOW + 5, "second"));
    // One more comes while they are reported.
    leave(refusal("web-1", "third", NOW + 9));
    Store::open(&disk.store(), BOOT, NOW).unwrap().forget_refusals(&reported).unwrap();
    let left = reader(&disk).refusals().unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].count, left[0].message.as_str()), (1, "third"));
}

#[test]
fn refusals_that_nobody_reports_do_not_fill_the_store() {
    let disk = Tmpfs::of("64m");
    for n in 0..MOST_REFUSALS + 2 {
        let refusal = refusal(&format!("web-{n}"), &"é".repeat(2_000), NOW);
        assert!(refusal.message.len() <= 1024);
        Store::open(&disk.store(), BOOT, NOW).unwrap().leave_refusal(refusal).unwrap();
    }
    assert_eq!(reader(&disk).refusals().unwrap().len(), MOST_REFUSALS);
}
