//! What the agent costs in a large cluster: 1,000 members that hold 4,096 blocks. `cargo bench -p gingham-node` runs it.
#![allow(clippy::disallowed_macros, reason = "a measurement prints its figures")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot go on has failed")]

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../tests/in_a_cluster/testbed.rs"]
mod testbed;

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use gingham_etcd::Etcd;
use gingham_ownership::etcd_settings::{EtcdSettings, PREFIX};
use gingham_ownership::grid::Grid;
use gingham_ownership::record::{
    BlockRecord, LifeRecord, MemberRecord, Membership, block_key, life_key, member_key, write,
};
use gingham_ownership::shared_store::{Call, Reply, SharedStore};
use gingham_testbed::etcd::{Etcd as Members, Layout, PACKAGE, PROGRAM};
use gingham_tests::nodes::BETWEEN;
use serde_json::{Map, json};

use testbed::{Agent, NETWORK, PATIENCE, Testbed};

const MEMBERS: u32 = 1_000;

fn create(store: &mut Etcd, key: String, value: Vec<u8>) {
    let reply = store.call(&Call::Create { key, value }, Instant::now() + PATIENCE);
    assert!(matches!(reply, Reply::Written(_) | Reply::Conflict(Some(_))), "{reply:?}");
}

fn name(number: u32) -> String {
    format!("other-{number:04}")
}

/// The members that the nodes has no nodes for; they share the addresses of its link.
fn fill(store: &mut Etcd, grid: &Grid) {
    for number in 1..MEMBERS {
        let address = IpAddr::from([192, 0, 2, u8::try_from(number % 200).unwrap() + 10]);
        let member = MemberRecord {
            machine: format!("{number:032x}"),
            disk: format!("{number:032x}"),
            boot: "00000000-0000-4000-8000-000000000000".to_owned(),
            incarnation: 1,
            fenced: 0,
            membership: Membership::Member,
            address: Some(address),
            mac: None,
            node_uid: None,
            closed: 0,
            confirmed: 0,
            since: 0,
            rest: Map::new(),
        };
        create(store, member_key(&name(number)), write(&member));
        create(store, life_key(&name(number)), write(&LifeRecord { incarnation: 1, beat: 1 }));
    }
    // No two adjacent blocks of one member: each has a route of its own. The last one stays free.
    for index in 0..grid.block_count() - 1 {
        let owner = name(1 + u32::try_from(index % u128::from(MEMBERS - 1)).unwrap());
        create(store, block_key(grid.block(index).unwrap()), write(&BlockRecord::new(&owner, 1)));
    }
}

/// CPU time that a process has used: user and system.
fn used(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn memory(id: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines.collect::<Vec<_>>().join(", ").replace('\t', " ")
}

fn cost_of_reconciles(agent: &mut Agent, count: u64) {
    agent.reconciles(1);
    let (before, began) = (used(agent.child.id()), Instant::now());
    agent.reconciles(count);
    let cpu = used(agent.child.id()).saturating_sub(before);
    println!("{count} reconciles: {cpu:?} CPU within {:?}; {}", began.elapsed(), memory(agent.child.id()));
}

fn main() {
    assert!(Path::new(PROGRAM).exists(), "{PROGRAM} is missing: install {PACKAGE}");
    let testbed = Testbed::new(1);
    let members = Members::start(&Layout::at(testbed.directory.path(), BETWEEN.into(), 1)).unwrap();
    let endpoints = members.endpoints();
    let changes = json!({"ipam": {"range": "10.32.0.0/12",
        "cluster": {"store": "etcd", "directory": null, "endpoints": endpoints}}});
    let network = testbed.network(1, changes);
    let mut alone = testbed.agent(1, &network, &["--interval", "5"]);
    alone.until("gingham_blocks", |blocks| blocks == 1);
    println!("alone:");
    cost_of_reconciles(&mut alone, 3);

    let endpoints = endpoints.iter().map(|url| url.parse().unwrap()).collect();
    let settings = EtcdSettings { endpoints, prefix: PREFIX.to_owned(), login: None, tls: None };
    let mut store = Etcd::new(settings, NETWORK);
    let grid = Grid::new("10.32.0.0/12".parse().unwrap(), 24).unwrap();
    fill(&mut store, &grid);
    alone.until("gingham_members", |known| known == u64::from(MEMBERS));
    alone.until("gingham_routes", |routes| routes == 4_094);
    println!("with {MEMBERS} members and {} blocks:", grid.block_count() - 1);
    cost_of_reconciles(&mut alone, 6);

    let last = block_key(grid.block(grid.block_count() - 1).unwrap());
    let mut delays = Vec::new();
    for _ in 0..7 {
        let began = Instant::now();
        let value = write(&BlockRecord::new(&name(5), 1));
        let call = Call::Create { key: last.clone(), value };
        let Reply::Written(expected) = store.call(&call, began + PATIENCE) else { panic!("not claimed") };
        alone.until("gingham_routes", |routes| routes == 4_095);
        delays.push(began.elapsed());
        store.call(&Call::Delete { key: last.clone(), expected }, Instant::now() + PATIENCE);
        alone.until("gingham_routes", |routes| routes == 4_094);
    }
    delays.sort();
    println!("from a claim to the route, --interval 5: median {:?}, all {delays:?}", delays[delays.len() / 2]);
}
