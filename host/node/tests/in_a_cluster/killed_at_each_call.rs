//! kill -9 at each of its calls to the store, before the store has it and after: started again it is well, no block has
//! two holders, and who has an address keeps it. The same for the plugin's ADD: `tests/tests/cluster`.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use gingham_ownership::local::{BlockState, LocalState};
use gingham_ownership::snapshot::Snapshot;
use gingham_testbed::etcd::{Etcd, Layout, PACKAGE, PROGRAM};
use gingham_tests::kernel;
use gingham_tests::nodes::BETWEEN;
use gingham_tests::ownership::{assert_nothing_lost, assert_owned, handed_out_from, local, records_at};
use gingham_tests::proxy::{Moment, Proxy};
use ipnet::IpNet;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::testbed::{Agent, NETWORK, Testbed};

/// A round asks for a dozen things; one that never gets through does not end.
const MOST_CALLS: usize = 40;

/// Nodes with an etcd, and a way to it for each on which it may be killed.
struct Danger {
    testbed: Testbed,
    etcd: Etcd,
    proxies: Vec<Proxy>,
}

/// A cluster of these nodes, with records and data of its own.
struct Round<'a> {
    danger: &'a Danger,
    name: String,
    /// What all are configured with.
    ipam: Value,
}

impl Danger {
    fn new(nodes: u8) -> Self {
        let testbed = Testbed::new(nodes);
        let etcd = Etcd::start(&Layout::at(testbed.directory.path(), BETWEEN.into(), 1)).unwrap();
        let at = |port: u16| SocketAddr::new(BETWEEN.into(), port);
        let proxies = (0..nodes).map(|node| Proxy::start(at(2400 + u16::from(node)), at(2379))).collect();
        Self { testbed, etcd, proxies }
    }

    fn proxy(&self, node: usize) -> &Proxy {
        &self.proxies[node - 1]
    }

    /// Kills at the first call, at the second, and so on, until `round` returns that no process was killed any more.
    fn at_each_call(&self, ipam: &Value, least: usize, round: impl Fn(&Round<'_>, (usize, Moment)) -> bool) {
        for moment in [Moment::Before, Moment::After] {
            let gets_through = |call: &usize| {
                let name = format!("{moment:?}-{call}");
                !round(&Round { danger: self, name, ipam: ipam.clone() }, (*call, moment))
            };
            let through = (1..MOST_CALLS).find(gets_through).expect("it gets through some time");
            assert!(through > least, "killed at {} calls, and there are more than {least}", through - 1);
        }
    }
}

impl Round<'_> {
    fn data(&self) -> PathBuf {
        // A directory of each node: there is a file system of its own.
        PathBuf::from("/var/lib").join(&self.name)
    }

    fn network(&self, node: usize, changes: Value) -> Value {
        let changes = gingham_tests::networks::with(self.ipam.clone(), changes);
        let endpoints = [self.danger.proxy(node).endpoint()];
        let network = self.danger.testbed.network(node, json!({"ipam": changes}));
        let store = json!({"ipam": {"dataDir": self.data(), "cluster": {
            "store": "etcd", "directory": null, "endpoints": endpoints, "prefix": format!("/{}", self.name),
        }}});
        gingham_tests::networks::with(network, store)
    }

    fn agent(&self, node: usize, changes: Value, arguments: &[&str]) -> Agent {
        let data = self.data();
        let arguments = [arguments, &["--data-dir", data.to_str().unwrap()]].concat();
        self.danger.testbed.agent(node, &self.network(node, changes), &arguments)
    }

    /// Lets a container join on a node whose processes are not killed.
    fn add(&self, node: usize, id: &str) {
        self.danger.testbed.add(node, &self.network(node, json!({})), &format!("{}-{id}", self.name));
    }

    fn leases(&self, node: usize) -> Vec<String> {
        let data = self.data();
        self.danger.testbed.nodes.node(node).on(move |_| kernel::leases_in(&data, NETWORK))
    }

    fn local(&self, node: usize) -> Option<LocalState> {
        let data = self.data();
        self.danger.testbed.nodes.node(node).on(move |_| local(&data, NETWORK))
    }

    /// What a node hands out from is its own. Neither its agent nor an ADD is at work meanwhile.
    #[track_caller]
    fn is_owned(&self, node: usize) -> usize {
        let (records, held) = self.holdings(node);
        assert_owned(&records, &format!("node-{node}"), &held);
        held.len()
    }

    /// And it has all that is its own.
    #[track_caller]
    fn is_well(&self, node: usize) {
        let (records, held) = self.holdings(node);
        assert_nothing_lost(&records, &format!("node-{node}"), &held);
    }

    /// What the store says, and what a node hands out from.
    fn holdings(&self, node: usize) -> (Snapshot, Vec<IpNet>) {
        let held = self.local(node).map_or_else(Vec::new, |local| handed_out_from(&local));
        (records_at(&self.danger.etcd.endpoints(), &format!("/{}", self.name), NETWORK), held)
    }

    /// The first node's agent at the risk of its life, and what comes after. Returns whether it was killed.
    #[track_caller]
    fn survives(&self, (call, moment): (usize, Moment)) -> bool {
        let before = [self.leases(1), self.leases(2)];
        let proxy = self.danger.proxy(1);
        proxy.kill_at(call, moment);
        let mut agent = self.agent(1, json!({}), &[]);
        proxy.victim(agent.process());
        let is_killed = agent.is_killed_before("gingham_reconciles_total", |rounds| rounds > 0);
        drop(agent);
        self.is_owned(1);
        proxy.spare();
        let mut agent = self.agent(1, json!({}), &[]);
        agent.until("gingham_last_reconcile_succeeded", |succeeded| succeeded == 1);
        agent.until("gingham_addresses,state=\"free\"", |free| free >= 16);
        assert_eq!(agent.metric("gingham_ownership_conflicts_total"), Some(0));
        agent.end(Signal::TERM);
        self.is_well(1);
        self.is_owned(2);
        assert_eq!(before, [self.leases(1), self.leases(2)]);
        self.add(1, "after");
        self.add(2, "after");
        let leases = [self.leases(1), self.leases(2)].concat();
        let given: BTreeSet<&str> = leases.iter().filter_map(|lease| lease.split(' ').nth(2)).collect();
        assert_eq!(given.len(), leases.len(), "an address was given twice: {leases:?}");
        is_killed
    }
}

fn has_etcd() -> bool {
    skipped_tests::has(PROGRAM, PACKAGE)
}

/// One block is room enough, until the gateway and a container have addresses.
fn small_blocks() -> Value {
    json!({"blockSize": 27, "cluster": {"lowWater": 31}})
}

#[test]
fn while_it_joins() {
    if !has_etcd() {
        return;
    }
    // The status of etcd, lists, config or member, the sign of life, blocks, fences.
    Danger::new(2).at_each_call(&small_blocks(), 8, |round, fatal| {
        // Every other time it is the cluster's first.
        if fatal.0.is_multiple_of(2) {
            round.add(2, "before");
        }
        round.survives(fatal)
    });
}

#[test]
fn while_it_claims_ahead() {
    if !has_etcd() {
        return;
    }
    Danger::new(2).at_each_call(&small_blocks(), 5, |round, fatal| {
        round.add(2, "before");
        round.add(1, "before");
        assert_eq!((round.is_owned(1), round.is_owned(2)), (1, 1));
        let is_killed = round.survives(fatal);
        assert_eq!(round.is_owned(1), 2, "it had to claim");
        is_killed
    });
}

/// It gives back in its second round, by calls six and seven: the rounds before take two each, and the first call is
/// for the status of etcd. Each is killed on its own node, all together: idle takes time.
#[test]
fn while_it_gives_back() {
    if !has_etcd() {
        return;
    }
    let danger = Danger::new(5);
    for moment in [Moment::Before, Moment::After] {
        let round = &Round { danger: &danger, name: format!("{moment:?}"), ipam: json!({}) };
        let nodes = 1..=danger.proxies.len();
        let ample: Vec<Agent> = nodes
            .clone()
            .map(|node| {
                danger.proxy(node).spare();
                round.agent(node, json!({"cluster": {"lowWater": 600}}), &[])
            })
            .collect();
        for mut agent in ample {
            agent.until("gingham_blocks", |blocks| blocks == 3);
            agent.end(Signal::TERM);
        }

        let start = |node| round.agent(node, json!({}), &["--grace-period", "1"]);
        let endangered: Vec<Agent> = nodes
            .clone()
            .map(|node| {
                danger.proxy(node).kill_at(node + 3, moment);
                let agent = start(node);
                danger.proxy(node).victim(agent.process());
                agent
            })
            .collect();
        let mut begun = 0;
        for (mut agent, node) in endangered.into_iter().zip(nodes.clone()) {
            agent.is_killed_before("gingham_blocks", |blocks| blocks == 1);
            drop(agent);
            round.is_owned(node);
            let is_begun = |local: &LocalState| local.blocks().any(|block| block.state == BlockState::Releasing);
            begun += usize::from(round.local(node).is_some_and(|local| is_begun(&local)));
            danger.proxy(node).spare();
        }
        assert!(begun > 0, "no process was killed while giving back");
        let again: Vec<Agent> = nodes.clone().map(start).collect();
        for (mut agent, node) in again.into_iter().zip(nodes) {
            agent.until("gingham_blocks", |blocks| blocks == 1);
            agent.until("gingham_last_reconcile_succeeded", |succeeded| succeeded == 1);
            agent.end(Signal::TERM);
            round.is_well(node);
            assert_eq!(round.is_owned(node), 1);
        }
    }
}
