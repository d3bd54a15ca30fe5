//! The API server answers, and its etcd does not.

use std::time::{Duration, Instant};

use gingham_kubernetes_tests::programs;
use gingham_ownership::shared_store::{Call, Reply, StoreFault};

use crate::setup::{
    BLOCK, PATIENCE, block, call, call_within, control_plane, create, delete, found, get, list, refused, store,
    unknown, update, written,
};

#[test]
fn what_an_api_server_fails_at_may_be_carried_out_and_is_repeated_as_the_same_write() {
    if !programs::has_control_plane() {
        return;
    }
    let plane = control_plane();
    let mut store = store(&plane, "pods");
    let short = Duration::from_secs(3);
    let held = "blocks/10.32.6.0-24";
    written(call(&mut store, &create(held, &block("node-1"))));
    let creation = create(BLOCK, &block("node-1"));

    plane.etcd(|etcd| etcd.freeze(0));
    unreachable(&unknown(call_within(&mut store, &creation, short)));
    unreachable(&refused(call_within(&mut store, &get(held), short)));
    unreachable(&refused(call_within(&mut store, &list(), short)));
    plane.etcd(|etcd| etcd.thaw(0));
    let version = written(until_known(&mut store, &creation));
    assert_eq!(found(call(&mut store, &get(BLOCK))), Some((block("node-1"), version)));

    plane.etcd(|etcd| etcd.kill(0));
    let another = create("blocks/10.32.7.0-24", &block("node-1"));
    unreachable(&unknown(call_within(&mut store, &another, short)));
    unreachable(&refused(call_within(&mut store, &get(held), short)));
    plane.etcd(|etcd| etcd.restart(0)).unwrap();
    written(until_known(&mut store, &another));
    let updated = written(until_known(&mut store, &update(BLOCK, &block("node-1"), version)));
    assert_eq!(until_known(&mut store, &delete(BLOCK, updated)), Reply::Deleted);
}

#[track_caller]
fn unreachable(fault: &StoreFault) {
    assert!(matches!(fault, StoreFault::Unreachable(_)), "{fault:?}");
}

/// Repeats a call as tasks and their driver do.
fn until_known(store: &mut gingham_kubernetes::KubernetesStore, wanted: &Call) -> Reply {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match call(store, wanted) {
            Reply::Unknown(fault) | Reply::Refused(fault @ StoreFault::Unreachable(_)) => {
                assert!(Instant::now() < deadline, "{wanted:?}: {fault}");
                std::thread::sleep(Duration::from_millis(100));
            }
            reply => return reply,
        }
    }
}
