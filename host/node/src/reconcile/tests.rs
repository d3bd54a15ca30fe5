//! Reconciles of a cluster whose store is reachable or not, on a real kernel.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gingham_cluster::RoomAnswer;
use gingham_net::address::{self, DuplicateDetection};
use gingham_net::bridge;
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use gingham_net::node_routes::{self, Mode, Peer, Wanted};
use serde_json::Map;

use super::*;
use crate::cluster_calls::{Snapshot, Usage};

/// The state of the store and the node, and the calls that were made.
#[derive(Default)]
struct World {
    unreachable: bool,
    unreadable: Vec<String>,
    peers: Vec<Peer>,
    stale: BTreeSet<String>,
    freed: Vec<String>,
    problem: Option<AgentError>,
    outside: Vec<std::net::IpAddr>,
    /// What every order gets, after so long.
    refusal: Option<(RoomAnswer, Duration)>,
    calls: Vec<&'static str>,
}

static WORLD: Mutex<Option<World>> = Mutex::new(None);
/// Tests share the world, so they run one after the other.
static TURN: Mutex<()> = Mutex::new(());

fn world<T>(work: impl FnOnce(&mut World) -> T) -> T {
    work(lock(&WORLD).get_or_insert_with(World::default))
}

fn my_turn() -> MutexGuard<'static, ()> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    *lock(&WORLD) = Some(World::default());
    turn
}

struct Scripted;

impl Cluster for Scripted {
    fn beat(&mut self) -> Result<(), AgentError> {
        world(|world| world.calls.push("beat"));
        Ok(())
    }

    fn make_room(&mut self, addresses: u64) -> RoomAnswer {
        let refusal = world(|world| {
            world.calls.push("make room");
            world.refusal.clone()
        });
        let Some((answer, delay)) = refusal else { return RoomAnswer::Claimed(addresses) };
        thread::sleep(delay);
        answer
    }

    fn sync(&mut self) -> Result<Snapshot, AgentError> {
        world(|world| {
            world.calls.push("sync");
            if world.unreachable {
                return Err(AgentError::Store("the cluster's store: no answer".to_owned()));
            }
            let routes = Wanted {
                network: "mynet".to_owned(),
                mode: Mode::Direct,
                bridge: "cni0".to_owned(),
                ranges: vec!["10.32.0.0/12".parse().unwrap()],
                peers: world.peers.clone(),
            };
            Ok(Snapshot {
                members: world.peers.len() as u64 + 1,
                routes: Some(routes),
                lost: 0,
                unreadable: world.unreadable.clone(),
                off_grid: Vec::new(),
                edited: Vec::new(),
                problem: world.problem.clone(),
            })
        })
    }

    fn claim_ahead(&mut self) -> Result<u64, AgentError> {
        world(|world| world.calls.push("claim"));
        Ok(1)
    }

    fn release_idle(&mut self) -> Result<u64, AgentError> {
        Ok(0)
    }

    fn stale_leases(&mut self) -> Result<BTreeSet<String>, AgentError> {
        Ok(world(|world| world.stale.clone()))
    }

    fn free(&mut self, stale: &BTreeSet<String>) -> Result<u64, AgentError> {
        world(|world| world.freed.extend(stale.iter().cloned()));
        Ok(stale.len() as u64)
    }

    fn usage(&mut self) -> Result<Usage, AgentError> {
        let outside = world(|world| world.outside.clone());
        Ok(Usage { used: 1, free: 253, cooling: 0, blocks: 1, outside })
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it stands for one that fails")]
fn open(_: &Network) -> Result<Box<dyn Cluster>, AgentError> {
    Ok(Box::new(Scripted))
}

fn reconciler(interval: Duration) -> Reconciler {
    Reconciler::new(Arc::new(open), network("mynet"), Timing { interval, grace_period: Duration::from_secs(30) })
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
fn routes_are_reconciled_while_the_store_is_unreachable() {
    let _turn = my_turn();
    on_a_node(|kernel| {
        let interval = Duration::from_secs(5);
        let (mut reconciler, mut status) = (reconciler(interval), Status::new(interval));
        let start = Instant::now();
        reconciler.reconcile(start, &mut status);
        assert_eq!((status.state.clone(), status.members, status.routes, status.claims), (State::Reconciled, 2, 1, 1));
        assert_eq!((routes(kernel), status.usage.free, status.store_answered), (1, 253, Some(start)));

        world(|world| world.unreachable = true);
        node_routes::remove(kernel, "mynet", "cni0", &["10.32.0.0/12".parse().unwrap()]).unwrap();
        world(|world| world.calls.clear());
        reconciler.reconcile(start + interval, &mut status);
        assert_eq!(status.state, State::StoreUnreachable("the cluster's store: no answer".to_owned()));
        assert_eq!((routes(kernel), status.store_errors, status.store_answered), (1, 1, Some(start)));
        assert_eq!(world(|world| world.calls.clone()), ["sync"], "nothing else that needs the store is tried");

        world(|world| (world.unreachable, world.peers) = (false, Vec::new()));
        reconciler.reconcile(start + interval * 2, &mut status);
        assert_eq!((status.state.clone(), status.members, routes(kernel)), (State::Reconciled, 1, 0));
    });
}

#[test]
fn a_problem_is_not_resolved_by_a_store_that_does_not_answer() {
    let _turn = my_turn();
    on_a_node(|_| {
        let interval = Duration::from_secs(5);
        let (mut reconciler, mut status) = (reconciler(interval), Status::new(interval));
        world(|world| world.unreadable = vec!["block/x".to_owned()]);
        reconciler.reconcile(Instant::now(), &mut status);
        let logged = reconciler.logged.clone();
        assert_eq!(logged.len(), 1, "{logged:?}");

        world(|world| world.unreachable = true);
        reconciler.reconcile(Instant::now(), &mut status);
        assert!(reconciler.logged.is_superset(&logged) && reconciler.logged.len() == 2, "{:?}", reconciler.logged);

        world(|world| (world.unreachable, world.unreadable) = (false, Vec::new()));
        reconciler.reconcile(Instant::now(), &mut status);
        assert!(reconciler.logged.is_empty(), "{:?}", reconciler.logged);
    });
}

#[test]
fn a_sandbox_is_gone_after_the_grace_period() {
    let _turn = my_turn();
    on_a_node(|_| {
        let interval = Duration::from_secs(5);
        let (mut reconciler, mut status) = (reconciler(interval), Status::new(interval));
        let start = Instant::now();
        world(|world| world.stale = ["stays", "comes"].map(str::to_owned).into());
        reconciler.reconcile(start, &mut status);
        world(|world| world.stale.remove("comes"));
        reconciler.reconcile(start + Duration::from_secs(29), &mut status);
        assert_eq!((status.collected, world(|world| world.freed.clone())), (0, vec![]));
        // Also while the store is unreachable: leases are this node's.
        world(|world| world.unreachable = true);
        reconciler.reconcile(start + Duration::from_secs(31), &mut status);
        assert_eq!((status.collected, world(|world| world.freed.clone())), (1, vec!["stays".to_owned()]));
    });
}

#[test]
fn threads_follow_the_configuration() {
    let _turn = my_turn();
    let mut reconcilers = Reconcilers::new(
        Arc::new(open),
        Timing { interval: Duration::from_hours(1), grace_period: Duration::from_hours(1) },
    );
    let board = reconcilers.board();
    let names = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), network(name))).collect();
    reconcilers.follow(names(&["a", "b"]));
    reconcilers.follow(names(&["b", "c"]));
    assert_eq!(board.statuses().keys().collect::<Vec<_>>(), ["b", "c"]);
    // In the middle of their pause of an hour.
    reconcilers.end();
    assert!(reconcilers.running.is_empty());
}

#[test]
fn room_is_made_between_two_reconciles() {
    let _turn = my_turn();
    let timing = Timing { interval: Duration::from_hours(1), grace_period: Duration::from_hours(1) };
    let mut reconcilers = Reconcilers::new(Arc::new(open), timing);
    reconcilers.follow([("a".to_owned(), network("a"))].into());
    let rooms = reconcilers.rooms();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let make = |network, addresses| runtime.block_on(rooms.make(network, addresses));
    assert_eq!(make("a", 2), RoomAnswer::Claimed(2));
    assert_eq!(reconcilers.board().statuses()["a"].claims, 3, "one of the reconcile, two of the order");
    assert_eq!(make("b", 2), RoomAnswer::UnknownNetwork);
    reconcilers.end();
    assert_eq!(make("a", 2), RoomAnswer::UnknownNetwork);
}

#[test]
fn adds_that_wait_delay_no_reconcile_and_share_a_refusal() {
    let _turn = my_turn();
    let full = RoomAnswer::Exhausted("every block is claimed".to_owned());
    world(|world| world.refusal = Some((full.clone(), Duration::from_millis(100))));
    let timing = Timing { interval: Duration::from_millis(300), grace_period: Duration::from_hours(1) };
    let mut reconcilers = Reconcilers::new(Arc::new(open), timing);
    reconcilers.follow([("a".to_owned(), network("a"))].into());
    let rooms = reconcilers.rooms();
    let until = Instant::now() + Duration::from_secs(3);
    let ask = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut answers = 0;
        while Instant::now() < until {
            assert_eq!(runtime.block_on(rooms.make("a", 1)), full);
            answers += 1;
        }
        answers
    };
    let answers: usize = thread::scope(|scope| {
        let asking: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).sum()
    });
    let asked = world(|world| world.calls.iter().filter(|call| **call == "make room").count());
    let reconciles = reconcilers.board().statuses()["a"].reconciles;
    assert!(reconciles >= 4, "{reconciles} reconciles in 3 s");
    assert!(answers >= 4 * asked, "{answers} answers of {asked} calls");
    reconcilers.end();
}

#[test]
fn a_node_that_is_not_a_member_has_routes_and_claims_nothing() {
    let _turn = my_turn();
    on_a_node(|kernel| {
        let interval = Duration::from_secs(5);
        let (mut reconciler, mut status) = (reconciler(interval), Status::new(interval));
        let problem = AgentError::Node("another machine has this name".to_owned());
        world(|world| world.problem = Some(problem));
        reconciler.reconcile(Instant::now(), &mut status);
        reconciler.beat(&mut status);
        assert_eq!(status.state, State::Failed("another machine has this name".to_owned()));
        assert_eq!(status.unusable, Some(Unusable::Cluster("another machine has this name".to_owned())));
        assert_eq!((routes(kernel), world(|world| world.calls.clone())), (1, vec!["sync"]));

        world(|world| (world.problem, world.outside) = (None, vec!["10.32.0.9".parse().unwrap()]));
        world(|world| world.calls.clear());
        reconciler.reconcile(Instant::now(), &mut status);
        reconciler.beat(&mut status);
        assert_eq!((status.state.clone(), status.usage.outside.len()), (State::Reconciled, 1));
        assert_eq!(status.unusable, None);
        assert_eq!(world(|world| world.calls.clone()), ["sync", "beat", "claim", "beat"]);
    });
}
