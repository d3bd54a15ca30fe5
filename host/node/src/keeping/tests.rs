//! Rounds over a cluster whose store comes and goes, on a real kernel.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gingham_net::address::{self, DuplicateDetection};
use gingham_net::bridge;
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use gingham_net::node_routes::{self, Mode, Peer, Wanted};
use serde_json::Map;

use super::*;
use crate::cluster::{Usage, View};

/// What the store and the node say, and what was called.
#[derive(Default)]
struct World {
    silent: bool,
    peers: Vec<Peer>,
    orphans: BTreeSet<String>,
    freed: Vec<String>,
    problem: Option<Fault>,
    outside: Vec<std::net::IpAddr>,
    calls: Vec<&'static str>,
}

static WORLD: Mutex<Option<World>> = Mutex::new(None);
/// The world is one, so tests take turns.
static TURN: Mutex<()> = Mutex::new(());

fn world<T>(work: impl FnOnce(&mut World) -> T) -> T {
    work(look(&WORLD).get_or_insert_with(World::default))
}

fn my_turn() -> MutexGuard<'static, ()> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    *look(&WORLD) = Some(World::default());
    turn
}

struct Scripted;

impl Cluster for Scripted {
    fn beat(&mut self) -> Result<(), Fault> {
        world(|world| world.calls.push("beat"));
        Ok(())
    }

    fn sync(&mut self) -> Result<View, Fault> {
        world(|world| {
            world.calls.push("sync");
            if world.silent {
                return Err(Fault::Store("the cluster's store: nobody answers".to_owned()));
            }
            let reach = Wanted {
                network: "mynet".to_owned(),
                mode: Mode::Direct,
                bridge: "cni0".to_owned(),
                ranges: vec!["10.32.0.0/12".parse().unwrap()],
                peers: world.peers.clone(),
            };
            Ok(View {
                members: world.peers.len() as u64 + 1,
                reach: Some(reach),
                lost: 0,
                unreadable: Vec::new(),
                problem: world.problem.clone(),
            })
        })
    }

    fn claim_ahead(&mut self) -> Result<u64, Fault> {
        world(|world| world.calls.push("claim"));
        Ok(1)
    }

    fn give_back(&mut self) -> Result<u64, Fault> {
        Ok(0)
    }

    fn orphans(&mut self) -> Result<BTreeSet<String>, Fault> {
        Ok(world(|world| world.orphans.clone()))
    }

    fn free(&mut self, orphans: &BTreeSet<String>) -> Result<u64, Fault> {
        world(|world| world.freed.extend(orphans.iter().cloned()));
        Ok(orphans.len() as u64)
    }

    fn usage(&mut self) -> Result<Usage, Fault> {
        let outside = world(|world| world.outside.clone());
        Ok(Usage { used: 1, free: 253, cooling: 0, blocks: 1, outside })
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it stands for one that fails")]
fn open(_: &Network) -> Result<Box<dyn Cluster>, Fault> {
    Ok(Box::new(Scripted))
}

fn keeping(every: Duration) -> Keeping {
    Keeping::new(Arc::new(open), network("mynet"), Pace { every, looks_apart: Duration::from_secs(30) })
}

fn network(name: &str) -> Network {
    Network { name: name.to_owned(), file: "x.conf".into(), config: Map::new() }
}

/// A node with the address 192.0.2.1/24, and one other node.
fn on_a_node(work: impl FnOnce(&mut Socket<Route>) + Send) {
    NetNs::create()
        .unwrap()
        .enter(|| {
            let mut kernel = Socket::open().unwrap();
            let uplink = bridge::ensure(&mut kernel, "uplink", None, false).unwrap();
            let own = "192.0.2.1/24".parse().unwrap();
            address::add(&mut kernel, uplink.index, own, DuplicateDetection::Off).unwrap();
            let peer = Peer {
                name: "node-2".to_owned(),
                addresses: vec!["192.0.2.2".parse().unwrap()],
                vxlan_mac: None,
                blocks: vec!["10.40.0.0/24".parse().unwrap()],
            };
            world(|world| world.peers = vec![peer]);
            work(&mut kernel);
        })
        .unwrap();
}

fn routes(kernel: &mut Socket<Route>) -> usize {
    node_routes::list(kernel, &["10.32.0.0/12".parse().unwrap()]).unwrap().len()
}

#[test]
fn routes_stay_true_while_the_store_is_silent() {
    let _turn = my_turn();
    on_a_node(|kernel| {
        let every = Duration::from_secs(5);
        let (mut keeping, mut status) = (keeping(every), Status::new(every));
        let start = Instant::now();
        keeping.round(start, &mut status);
        assert_eq!((status.state.clone(), status.members, status.routes, status.claims), (State::Kept, 2, 1, 1));
        assert_eq!((routes(kernel), status.usage.free, status.store_answered), (1, 253, Some(start)));

        world(|world| world.silent = true);
        node_routes::remove(kernel, "mynet", "cni0", &["10.32.0.0/12".parse().unwrap()]).unwrap();
        world(|world| world.calls.clear());
        keeping.round(start + every, &mut status);
        assert_eq!(status.state, State::StoreSilent("the cluster's store: nobody answers".to_owned()));
        assert_eq!((routes(kernel), status.store_errors, status.store_answered), (1, 1, Some(start)));
        assert_eq!(world(|world| world.calls.clone()), ["sync"], "nothing else that needs the store is tried");

        world(|world| (world.silent, world.peers) = (false, Vec::new()));
        keeping.round(start + every * 2, &mut status);
        assert_eq!((status.state.clone(), status.members, routes(kernel)), (State::Kept, 1, 0));
    });
}

#[test]
fn a_sandbox_is_gone_when_it_was_not_there_twice() {
    let _turn = my_turn();
    on_a_node(|_| {
        let every = Duration::from_secs(5);
        let (mut keeping, mut status) = (keeping(every), Status::new(every));
        let start = Instant::now();
        world(|world| world.orphans = ["stays", "comes"].map(str::to_owned).into());
        keeping.round(start, &mut status);
        world(|world| world.orphans.remove("comes"));
        keeping.round(start + Duration::from_secs(29), &mut status);
        assert_eq!((status.collected, world(|world| world.freed.clone())), (0, vec![]));
        // Also while the store is silent: leases are this node's.
        world(|world| world.silent = true);
        keeping.round(start + Duration::from_secs(31), &mut status);
        assert_eq!((status.collected, world(|world| world.freed.clone())), (1, vec!["stays".to_owned()]));
    });
}

#[test]
fn threads_follow_the_configuration() {
    let _turn = my_turn();
    let mut keepers =
        Keepers::new(Arc::new(open), Pace { every: Duration::from_hours(1), looks_apart: Duration::from_hours(1) });
    let board = keepers.board();
    let names = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), network(name))).collect();
    keepers.follow(names(&["a", "b"]));
    keepers.follow(names(&["b", "c"]));
    assert_eq!(board.statuses().keys().collect::<Vec<_>>(), ["b", "c"]);
    // In the middle of their pause of an hour.
    keepers.end();
    assert!(keepers.running.is_empty());
}

#[test]
fn who_is_no_member_has_routes_and_claims_nothing() {
    let _turn = my_turn();
    on_a_node(|kernel| {
        let every = Duration::from_secs(5);
        let (mut keeping, mut status) = (keeping(every), Status::new(every));
        let problem = Fault::Node("another machine has this name".to_owned());
        world(|world| world.problem = Some(problem));
        keeping.round(Instant::now(), &mut status);
        keeping.beat(&mut status);
        assert_eq!(status.state, State::Failed("another machine has this name".to_owned()));
        assert_eq!((routes(kernel), world(|world| world.calls.clone())), (1, vec!["sync"]));

        world(|world| (world.problem, world.outside) = (None, vec!["10.32.0.9".parse().unwrap()]));
        world(|world| world.calls.clear());
        keeping.round(Instant::now(), &mut status);
        keeping.beat(&mut status);
        assert_eq!((status.state.clone(), status.usage.outside.len()), (State::Kept, 1));
        assert_eq!(world(|world| world.calls.clone()), ["sync", "beat", "claim", "beat"]);
    });
}
