//! kill -9 of an ADD at each of its calls to the store, before the store has it and after: the next ADD goes on, nobody
//! has what is another's, and who has an address keeps it. The same for the node agent: `host/node/tests/in_a_cluster`.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use gingham_ownership::snapshot::Snapshot;
use gingham_tests::cni::{Cni, Outcome, addresses};
use gingham_tests::kernel;
use gingham_tests::networks;
use gingham_tests::node::Container;
use gingham_tests::nodes::BETWEEN;
use gingham_tests::ownership::{assert_nothing_lost, assert_owned, held, records};
use gingham_tests::proxy::{Moment, Proxy};
use ipnet::IpNet;
use serde_json::{Value, json};

use crate::testbed::{Testbed, has_etcd};

/// An ADD asks for a dozen things; one that never gets through does not end.
const MOST_CALLS: usize = 40;

/// Two nodes, and the way to the store that the first of them takes.
struct Danger {
    testbed: Testbed,
    proxy: Proxy,
}

/// One of its networks, with an etcd's records of its own.
struct Round<'a> {
    danger: &'a Danger,
    name: String,
    /// As each of the two nodes is configured.
    networks: [Value; 2],
}

impl Danger {
    fn new() -> Self {
        let testbed = Testbed::new(2, json!({}));
        let [listen, store] = [2400, 2379].map(|port| SocketAddr::new(BETWEEN.into(), port));
        Self { testbed, proxy: Proxy::start(listen, store) }
    }

    /// Kills at the first call, at the second, and so on, until `round` says that nobody was killed any more. It gets a
    /// number that no other round has.
    fn at_each_call(&self, least: usize, round: impl Fn(&Round<'_>, (usize, Moment)) -> bool) {
        for moment in [Moment::Before, Moment::After] {
            let gets_through = |call: &usize| !round(&self.round(*call, moment), (*call, moment));
            let through = (1..MOST_CALLS).find(gets_through).expect("it gets through some time");
            assert!(through > least, "killed at {} calls, and there are more than {least}", through - 1);
        }
    }

    fn round(&self, call: usize, moment: Moment) -> Round<'_> {
        let (name, number) = match moment {
            Moment::Before => (format!("before-{call}"), 2 * call),
            Moment::After => (format!("after-{call}"), 2 * call + 1),
        };
        let network = |node: usize, endpoints: Value| {
            let changes = json!({"name": name, "bridge": format!("br-{number}"), "ipam": {
                "range": format!("10.{}.0.0/16", 100 + number), "blockSize": 30, "cluster": {"endpoints": endpoints},
            }});
            networks::with(self.testbed.network(self.testbed.nodes.node(node)), changes)
        };
        let networks = [network(1, json!([self.proxy.endpoint()])), network(2, json!(self.testbed.etcd.endpoints()))];
        self.proxy.spare();
        Round { danger: self, name, networks }
    }
}

impl Round<'_> {
    /// Lets a container join on a node.
    #[track_caller]
    fn add(&self, node: usize, id: &str) -> Vec<IpAddr> {
        let (network, id) = (self.networks[node - 1].clone(), format!("{}-{id}", self.name));
        let outcome = self.danger.testbed.on(node, move |node| Cni::add(&network, &node.container(&id)).run());
        addresses(&outcome.result())
    }

    /// The same on the first node, at the risk of its life.
    fn add_in_danger(&self, (call, moment): (usize, Moment)) -> (Container, Outcome) {
        let (network, id) = (self.networks[0].clone(), format!("{}-killed", self.name));
        let proxy = &self.danger.proxy;
        proxy.kill_at(call, moment);
        let (container, running) = self.danger.testbed.on(1, move |node| {
            let container = node.container(&id);
            let running = Cni::add(&network, &container).start();
            (container, running)
        });
        proxy.victim(running.process());
        (container, running.end())
    }

    /// What each node hands out from is its own.
    #[track_caller]
    fn all_is_owned(&self) -> Vec<usize> {
        let (records, all) = self.holdings();
        for (number, held) in all.iter().enumerate() {
            assert_owned(&records, &format!("node-{}", number + 1), held);
        }
        all.iter().map(Vec::len).collect()
    }

    /// What the store says, and what each node hands out from.
    fn holdings(&self) -> (Snapshot, [Vec<IpNet>; 2]) {
        let all = [1, 2].map(|node| {
            let name = self.name.clone();
            self.danger.testbed.on(node, move |_| held(&name))
        });
        // After that: a block is in the store before it is in use, and nobody gives any back here.
        (records(&self.danger.testbed.etcd.endpoints(), &self.name), all)
    }

    /// `CONTAINER INTERFACE ADDRESS`.
    fn leases(&self, node: usize) -> Vec<String> {
        let name = self.name.clone();
        self.danger.testbed.on(node, move |_| kernel::leases(&name))
    }

    /// An ADD at the risk of its life, and what comes after. These nodes' containers live on. Returns whether it was
    /// killed.
    #[track_caller]
    fn survives(&self, fatal: (usize, Moment), alive: &[usize]) -> bool {
        let before: Vec<(usize, Vec<String>)> = alive.iter().map(|node| (*node, self.leases(*node))).collect();
        let (container, outcome) = self.add_in_danger(fatal);
        self.all_is_owned();
        let is_killed = !outcome.is_success();
        if is_killed {
            outcome.was_killed();
        }
        self.danger.proxy.spare();
        let network = self.networks[0].clone();
        self.danger.testbed.on(1, move |_| Cni::del(&network, &container).run()).succeeds();
        self.add(1, "again");
        self.add(2, "other");
        self.all_is_owned();
        let (records, all) = self.holdings();
        assert_nothing_lost(&records, "node-1", &all[0]);
        let after = [self.leases(1), self.leases(2)];
        for (node, before) in before {
            assert!(before.iter().all(|lease| after[node - 1].contains(lease)), "{before:?} {after:?}");
        }
        let given: Vec<&str> = after.iter().flatten().filter_map(|lease| lease.split(' ').nth(2)).collect();
        let different: BTreeSet<&&str> = given.iter().collect();
        assert_eq!(different.len(), given.len(), "an address was given twice: {given:?}");
        assert!(after.iter().flatten().all(|lease| !lease.contains("-killed ")), "{after:?}");
        is_killed
    }
}

#[test]
fn while_its_node_joins() {
    if !has_etcd() {
        return;
    }
    let danger = Danger::new();
    // The status of etcd, two lists, config or member, a block, the fence, and the ways.
    danger.at_each_call(6, |round, fatal| {
        // Every other time it is the cluster's first.
        if fatal.0.is_multiple_of(2) {
            round.add(2, "first");
        }
        round.survives(fatal, &[1, 2])
    });
}

#[test]
fn while_its_node_claims_one_more_block() {
    if !has_etcd() {
        return;
    }
    let danger = Danger::new();
    danger.at_each_call(4, |round, fatal| {
        round.add(2, "first");
        // A block of four: the gateway and these.
        (1..=3).for_each(|number| drop(round.add(1, &format!("pod-{number}"))));
        assert_eq!(round.all_is_owned(), [1, 1]);
        let is_killed = round.survives(fatal, &[1, 2]);
        assert_eq!(round.all_is_owned()[0], 2, "it was an ADD that had to claim");
        is_killed
    });
}

#[test]
fn while_its_node_comes_back_from_a_reboot() {
    if !has_etcd() {
        return;
    }
    let danger = Danger::new();
    danger.at_each_call(5, |round, fatal| {
        round.add(2, "first");
        (1..=4).for_each(|number| drop(round.add(1, &format!("pod-{number}"))));
        assert_eq!(round.all_is_owned(), [2, 1]);
        let boot = format!("00000000-0000-4000-8000-{:012}", 2 * fatal.0 + usize::from(fatal.1 == Moment::After));
        round.danger.testbed.on(1, move |node| node.pretend_reboot(&boot));
        assert_eq!(round.all_is_owned(), [0, 1], "it does not know whether it was taken over");
        let is_killed = round.survives(fatal, &[2]);
        assert_eq!(round.all_is_owned()[0], 2, "it has what it had");
        is_killed
    });
}
