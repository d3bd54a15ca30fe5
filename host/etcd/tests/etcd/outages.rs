//! Members that go and come back.

use std::time::Duration;

use gingham_ownership::shared_store::{Reply, StoreFault, Version};

use crate::testbed::{
    call, call_within, create, get, list, members, on_a_host, record, refused, settings, store, until_answered, update,
    with_etcd, written,
};

#[test]
fn records_outlive_a_restart_and_a_kill() {
    with_etcd(|directory| {
        let mut members = members(directory, 1);
        let mut store = store(&members);
        let first = written(call(&mut store, &create("config", "1")));
        members.stop(0);
        let fault = refused(call(&mut store, &get("config")));
        assert!(
            matches!(&fault, StoreFault::Unreachable(text) if text.contains("http://127.0.0.1:2379: ")),
            "{fault:?}"
        );
        members.restart(0).unwrap();
        members.wait_until_healthy(&[0]).unwrap();
        assert_eq!(call(&mut store, &get("config")), Reply::Got(Some(record("1", first))));
        members.kill(0);
        members.restart(0).unwrap();
        members.wait_until_healthy(&[0]).unwrap();
        let second = written(until_answered(&mut store, &update("config", "2", first)));
        assert_eq!(call(&mut store, &get("config")), Reply::Got(Some(record("2", second))));
    });
}

#[test]
fn one_member_of_three_may_be_missing() {
    with_etcd(|directory| {
        let mut members = members(directory, 3);
        let mut store = store(&members);
        let mut version = written(call(&mut store, &create("config", "0")));
        for missing in 0..3 {
            members.kill(missing);
            // The leader may be gone. A write whose answer is lost may be there: then it conflicts with itself.
            let value = missing.to_string();
            version = match until_answered(&mut store, &update("config", &value, version)) {
                Reply::Written(version) => version,
                Reply::Conflict(Some(present)) if present.value == value.as_bytes() => present.version,
                other => panic!("{other:?}"),
            };
            assert_eq!(until_answered(&mut store, &get("config")), Reply::Got(Some(record(&value, version))));
            members.restart(missing).unwrap();
            members.wait_until_healthy(&[0, 1, 2]).unwrap();
        }
    });
}

#[test]
fn a_minority_neither_reads_nor_writes_and_says_why() {
    with_etcd(|directory| {
        let mut members = members(directory, 3);
        let mut store = store(&members);
        let version = written(call(&mut store, &create("config", "0")));
        members.kill(0);
        members.kill(1);
        let knows = |fault: &StoreFault| fault.to_string().contains("no leader");
        let fault = loop {
            // Until the last member has noticed, calls just do not end in time.
            match call_within(&mut store, &update("config", "1", version), Duration::from_secs(4)) {
                Reply::Refused(fault) if knows(&fault) => break fault,
                Reply::Refused(StoreFault::Unreachable(_)) | Reply::Unknown(StoreFault::Unreachable(_)) => {}
                other => panic!("{other:?}"),
            }
        };
        assert!(fault.to_string().contains("http://127.0.0.1:2399 answers, but etcd has no leader"), "{fault}");
        assert!(knows(&refused(call_within(&mut store, &list(""), Duration::from_secs(4)))));
        members.restart(0).unwrap();
        members.wait_until_healthy(&[0, 2]).unwrap();
        let present = match until_answered(&mut store, &get("config")) {
            Reply::Got(Some(present)) => present,
            other => panic!("{other:?}"),
        };
        // What was called in doubt has been done or not; what was refused has not.
        assert!(present.value == b"0" || present.value == b"1");
        written(until_answered(&mut store, &update("config", "2", present.version)));
    });
}

#[test]
fn an_etcd_that_lost_its_data_is_not_believed() {
    with_etcd(|directory| {
        let mut first = members(directory, 1);
        let mut store = store(&first);
        for number in 0..5 {
            written(call(&mut store, &create(&number.to_string(), "x")));
        }
        first.kill(0);
        // The same etcd by name and place, so it calls itself the same, but empty.
        std::fs::remove_dir_all(directory.join("m0")).unwrap();
        first.restart(0).unwrap();
        first.wait_until_healthy(&[0]).unwrap();
        let fault = refused(call(&mut store, &list("")));
        assert!(matches!(&fault, StoreFault::Unusable(text) if text.contains("lost data")), "{fault:?}");
    });
}

#[test]
fn two_etcds_are_not_one_store() {
    with_etcd(|directory| {
        let mut one = members(directory, 1);
        let other = directory.join("other");
        std::fs::create_dir(&other).unwrap();
        let mut layout = gingham_testbed::etcd::Layout::at(&other, "127.0.0.2".parse().unwrap(), 1);
        layout.arguments = vec!["--initial-cluster-token=other".to_owned()];
        let other = gingham_testbed::etcd::Etcd::start(&layout).unwrap();
        let endpoints = [one.endpoints(), other.endpoints()].concat();
        let mut store = gingham_etcd::Etcd::new(settings(&endpoints), "net");
        written(call(&mut store, &create("config", "1")));
        one.kill(0);
        let fault = refused(call(&mut store, &create("config", "1")));
        assert!(matches!(&fault, StoreFault::Unusable(text) if text.contains("another etcd")), "{fault:?}");
    });
}

#[test]
fn nobody_there_is_said_at_once_for_each_endpoint() {
    on_a_host(|_| {
        let endpoints = ["http://127.0.0.1:1".to_owned(), "http://[::1]:2".to_owned()];
        let mut store = gingham_etcd::Etcd::new(settings(&endpoints), "net");
        let fault = refused(call(&mut store, &create("config", "1")));
        let StoreFault::Unreachable(text) = &fault else { panic!("{fault:?}") };
        assert!(text.contains("http://127.0.0.1:1: Connection refused"), "{text}");
        assert!(text.contains("http://[::1]:2: Connection refused"), "{text}");
        assert_eq!(
            refused(call(&mut store, &update("config", "1", Version(1)))).to_string().matches("refused").count(),
            2
        );
    });
}
