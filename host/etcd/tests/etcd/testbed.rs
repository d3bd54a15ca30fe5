//! A host of one's own with an etcd, and a store that talks to it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use gingham_etcd::Etcd;
use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use gingham_ownership::etcd_settings::{EtcdSettings, PREFIX};
use gingham_ownership::shared_store::{Call, Record, Reply, SharedStore, StoreFault, Version};
use gingham_testbed::etcd::{Etcd as Members, Layout, PACKAGE, PROGRAM};

/// Longer than anything here takes, so that running into it is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Runs `work` on a fresh host with a directory, unless etcd is missing.
pub(crate) fn with_etcd(work: impl FnOnce(&Path) + Send) {
    if skipped_tests::has(PROGRAM, PACKAGE) {
        on_a_host(work);
    }
}

/// Runs `work` on a fresh host with a directory.
pub(crate) fn on_a_host(work: impl FnOnce(&Path) + Send) {
    let directory = tempfile::tempdir().unwrap();
    let host = NetNs::create().expect("a new namespace");
    let work = || {
        let mut kernel = Socket::<Route>::open().unwrap();
        link::change(&mut kernel, Which::Name("lo"), &Change { up: Some(true), ..Change::default() }).unwrap();
        work(directory.path());
    };
    host.enter(work).unwrap();
}

/// Starts an etcd of so many members.
pub(crate) fn members(directory: &Path, count: usize) -> Members {
    Members::start(&Layout::at(directory, LOOPBACK, count)).unwrap()
}

/// How to reach an etcd without secrets.
pub(crate) fn settings(endpoints: &[String]) -> EtcdSettings {
    let endpoints = endpoints.iter().map(|url| url.parse().unwrap()).collect();
    EtcdSettings { endpoints, prefix: PREFIX.to_owned(), login: None, tls: None }
}

/// The store of the network `net`.
pub(crate) fn store(members: &Members) -> Etcd {
    Etcd::new(settings(&members.endpoints()), "net")
}

/// A call with all the time it wants.
pub(crate) fn call(store: &mut Etcd, call: &Call) -> Reply {
    store.call(call, Instant::now() + PATIENCE)
}

/// A call with a deadline that it keeps.
pub(crate) fn call_within(store: &mut Etcd, call: &Call, patience: Duration) -> Reply {
    let start = Instant::now();
    let reply = store.call(call, start + patience);
    let late = start.elapsed().saturating_sub(patience);
    // Not a measurement: a call that ignores its deadline lasts without end or for the kernel's minutes.
    assert!(late < Duration::from_secs(5), "the deadline of {patience:?} was missed by {late:?}: {reply:?}");
    reply
}

/// Repeats a call that may fail for a while until it does not.
pub(crate) fn until_answered(store: &mut Etcd, wanted: &Call) -> Reply {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match store.call(wanted, deadline) {
            Reply::Unknown(fault) | Reply::Refused(fault) => {
                assert!(Instant::now() < deadline, "{wanted:?} is never answered: {fault}");
                std::thread::sleep(Duration::from_millis(20));
            }
            reply => return reply,
        }
    }
}

pub(crate) fn get(key: &str) -> Call {
    Call::Get { key: key.to_owned() }
}

pub(crate) fn list(prefix: &str) -> Call {
    Call::List { prefix: prefix.to_owned() }
}

pub(crate) fn create(key: &str, value: &str) -> Call {
    Call::Create { key: key.to_owned(), value: value.into() }
}

pub(crate) fn update(key: &str, value: &str, expected: Version) -> Call {
    Call::Update { key: key.to_owned(), value: value.into(), expected }
}

pub(crate) fn delete(key: &str, expected: Version) -> Call {
    Call::Delete { key: key.to_owned(), expected }
}

pub(crate) fn record(value: &str, version: Version) -> Record {
    Record { value: value.into(), version }
}

/// The version that was written.
pub(crate) fn written(reply: Reply) -> Version {
    match reply {
        Reply::Written(version) => version,
        other => panic!("not written: {other:?}"),
    }
}

/// Why it certainly was not done.
pub(crate) fn refused(reply: Reply) -> StoreFault {
    match reply {
        Reply::Refused(fault) => fault,
        other => panic!("not refused: {other:?}"),
    }
}

/// Why it is unknown whether it was done.
pub(crate) fn unknown(reply: Reply) -> StoreFault {
    match reply {
        Reply::Unknown(fault) => fault,
        other => panic!("not unknown: {other:?}"),
    }
}
