//! Which pools a policy may declare, and which of their addresses are handed out to nobody.
#![allow(missing_docs, clippy::unwrap_used)]

use std::net::IpAddr;

use gingham_engine::address::IpRange;
use gingham_engine::pool::{Edges, Pool, PoolRange, Pools};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn range(text: &str) -> IpRange {
    text.parse().unwrap()
}

fn pool(name: &str, prefix: &str) -> Pool {
    let prefix: ipnet::IpNet = prefix.parse().unwrap();
    let (range, edges) = (prefix.into(), Edges::default());
    Pool { name: name.into(), ranges: vec![PoolRange { prefix, range, gateway: None, edges, draining: false }] }
}

#[test]
fn pools_that_cannot_be_are_refused() {
    let broken = |pools: Vec<Pool>| Pools::new(pools).unwrap_err().to_string();
    assert_eq!(broken(Vec::new()), "it declares no pool");
    let twice = vec![pool("a", "10.0.0.0/28"), pool("b", "10.0.0.8/29")];
    assert_eq!(broken(twice), "its ranges 10.0.0.0-10.0.0.15 and 10.0.0.8-10.0.0.15 overlap");
    let mut outside = pool("a", "10.0.0.0/28");
    outside.ranges[0].range = range("10.0.0.8-10.0.0.20");
    assert!(broken(vec![outside]).contains("is not within 10.0.0.0/28"));
}

fn part(first: &str, last: &str, network: bool, broadcast: bool) -> PoolRange {
    let (range, edges) = (IpRange::new(ip(first), ip(last)).unwrap(), Edges { network, broadcast });
    PoolRange { prefix: "10.0.0.0/28".parse().unwrap(), range, gateway: None, edges, draining: false }
}

fn reserved_of(ranges: Vec<PoolRange>) -> Vec<IpAddr> {
    let pools = Pools::new(vec![Pool { name: "edges".into(), ranges }]).unwrap();
    pools.unusable_within(range("10.0.0.0-10.0.0.15")).to_vec()
}

#[test]
fn a_range_opens_only_the_edge_that_it_names() {
    let [low, high] = [ip("10.0.0.0"), ip("10.0.0.15")];
    assert_eq!(reserved_of(vec![part("10.0.0.0", "10.0.0.9", true, false)]), [high]);
    assert_eq!(reserved_of(vec![part("10.0.0.5", "10.0.0.15", false, true)]), [low]);
    assert_eq!(reserved_of(vec![part("10.0.0.0", "10.0.0.15", true, true)]), [low; 0]);
    assert_eq!(reserved_of(vec![part("10.0.0.0", "10.0.0.15", false, false)]), [low, high]);
    let beside = vec![part("10.0.0.0", "10.0.0.3", true, false), part("10.0.0.8", "10.0.0.14", false, false)];
    assert_eq!(reserved_of(beside), [high], "another range of the same network does not close it again");
}
