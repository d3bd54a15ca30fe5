//! Pools, ledgers, answers and views in a line.

use std::net::IpAddr;

use gingham_engine::address::IpRange;
use gingham_engine::attachment::{Answer, Assigned, AttachmentKey, Pod, Request, Requester};
use gingham_engine::guard::{self};
use gingham_engine::ledger::{AttachmentRecord, Ledger};
use gingham_engine::memory_ledger::{MemoryLedger, MemoryStore};
use gingham_engine::network_view::NetworkView;
use gingham_engine::pool::{Edges, Pool, PoolRange, Pools};
use gingham_engine::ranges::RangeSet;

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn range(text: &str) -> IpRange {
    text.parse().unwrap()
}

pub(crate) fn pool(name: &str, prefix: &str, gateway: &str) -> Pool {
    let prefix: ipnet::IpNet = prefix.parse().unwrap();
    let part = PoolRange {
        prefix,
        range: prefix.into(),
        gateway: Some(ip(gateway)),
        edges: Edges::default(),
        draining: false,
    };
    Pool { name: name.into(), ranges: vec![part] }
}

/// A /28 and a small IPv6 pool.
pub(crate) fn pools() -> Pools {
    Pools::new(vec![pool("four", "10.0.0.0/28", "10.0.0.1"), pool("six", "fd00::/125", "fd00::1")]).unwrap()
}

pub(crate) fn key(container: &str) -> AttachmentKey {
    AttachmentKey { container_id: container.into(), interface: "eth0".into() }
}

pub(crate) fn record(addresses: &[IpAddr]) -> AttachmentRecord {
    AttachmentRecord {
        addresses: addresses.to_vec(),
        since: 5,
        boot: "boot".into(),
        netns: String::new(),
        pod: Pod { namespace: Some("team".into()), ..Pod::default() },
        ..AttachmentRecord::default()
    }
}

pub(crate) fn ledger(leased: &[&str], resting: &[&str]) -> MemoryLedger {
    let mut ledger = MemoryStore::new().ledger("net");
    for (number, address) in leased.iter().enumerate() {
        ledger.attach(&key(&format!("holder-{number}")), &record(&[ip(address)])).unwrap();
    }
    for address in resting {
        ledger.attach(&key("gone"), &record(&[ip(address)])).unwrap();
        ledger.detach(&key("gone"), 1_000).unwrap();
    }
    ledger
}

pub(crate) fn view(leased: &[&str], resting: &[&str], excluded: &[&str]) -> NetworkView<MemoryLedger> {
    let excluded = RangeSet::new(excluded.iter().map(|text| range(text)).collect());
    NetworkView::new(ledger(leased, resting), pools(), excluded).unwrap()
}

pub(crate) fn request(requested: &[&str]) -> Request {
    let requested = requested.iter().map(|text| ip(text)).collect();
    Request { requested, ..Request::new(Requester::Container, key("new"), 2_000, 7) }
}

pub(crate) fn answer(addresses: &[&str]) -> Answer {
    let assigned = |text: &&str| Assigned { address: text.parse().unwrap(), gateway: None };
    Answer { addresses: addresses.iter().map(assigned).collect(), ..Answer::default() }
}

pub(crate) fn judged(answer: &Answer, requested: &[&str], view: &mut NetworkView<MemoryLedger>) -> String {
    guard::check(answer, &request(requested), view).map_or_else(|error| error.to_string(), |()| "agreed".into())
}
