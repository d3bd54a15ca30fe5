//! A cluster of two nodes moves, is interrupted, moves twice at the same time and goes back, and no block is ever claimed in both
//! stores.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use gingham_ownership::claim::{Chooser, Claim};
use gingham_ownership::grid::{BlockMap, Grid};
use gingham_ownership::in_memory_store::InMemoryStore;
use gingham_ownership::join::{Identity, Join};
use gingham_ownership::local::LocalState;
use gingham_ownership::shared_store::{Call, Reply};
use gingham_ownership::task::{Step, Task};
use ipnet::IpNet;

use super::*;

/// Both stores, and what happens in the middle of a migration.
#[derive(Clone)]
struct Stores {
    etcd: Rc<RefCell<InMemoryStore>>,
    kubernetes: Rc<RefCell<InMemoryStore>>,
    /// After so many calls …
    left: Rc<Cell<usize>>,
    /// … this happens once; without it nothing is answered any more.
    event: Rc<RefCell<Option<Event>>>,
}

type Event = Box<dyn FnOnce(&Stores)>;

struct Store {
    records: Rc<RefCell<InMemoryStore>>,
    stores: Stores,
}

impl SharedStore for Store {
    fn call(&mut self, call: &Call, _deadline: Instant) -> Reply {
        match self.stores.left.get().checked_sub(1) {
            Some(left) => self.stores.left.set(left),
            None => {
                let Some(event) = self.stores.event.borrow_mut().take() else {
                    return Reply::Refused(StoreFault::Unusable("the operator pressed Ctrl-C".to_owned()));
                };
                self.stores.left.set(usize::MAX);
                event(&self.stores);
            }
        }
        self.records.borrow_mut().carry_out(call)
    }
}

struct Lowest;

impl Chooser for Lowest {
    type Error = ();

    fn next_block(&mut self, map: &BlockMap) -> Result<IpNet, ()> {
        map.next_unclaimed(map.grids()[0].range().into(), None).ok_or(())
    }
}

fn grids() -> Vec<Grid> {
    vec![Grid::new("10.32.0.0/21".parse().unwrap(), 24).unwrap()]
}

fn run<T: Task>(mut task: T, local: &mut LocalState, store: &RefCell<InMemoryStore>) -> T::Output {
    let mut step = task.start(local, 1);
    loop {
        match step {
            Step::Done(output) => return output,
            Step::Call(call) => {
                let reply = store.borrow_mut().carry_out(&call);
                step = task.resume(reply, local, 1);
            }
        }
    }
}

fn join(local: &mut LocalState, store: &RefCell<InMemoryStore>) -> Result<Vec<IpNet>, ClusterError> {
    let machine = format!("machine of {}", local.node());
    let identity = Identity { machine, boot: "boot-1".to_owned(), address: None, mac: None, node_uid: None };
    run(Join::new(identity, grids(), "p"), local, store).map(|joined| joined.held)
}

fn claim(local: &mut LocalState, store: &RefCell<InMemoryStore>) -> Result<IpNet, String> {
    run(Claim::new(Lowest, 0, 0), local, store).map(|claimed| claimed.block).map_err(|error| error.to_string())
}

impl Stores {
    /// Two members with a block each.
    fn with_cluster() -> (Self, [LocalState; 2]) {
        let stores = Self {
            etcd: Rc::default(),
            kubernetes: Rc::default(),
            left: Rc::new(Cell::new(usize::MAX)),
            event: Rc::default(),
        };
        let locals = ["n-1", "n-2"].map(|name| {
            let mut local = LocalState::new(name, name);
            join(&mut local, &stores.etcd).unwrap();
            claim(&mut local, &stores.etcd).unwrap();
            local
        });
        (stores, locals)
    }

    fn migrate(&self, to: &str) -> Result<Migrated, MigrationError> {
        self.migration(to, |migration| migration.run(&grids(), Duration::ZERO, |_| ()))
    }

    fn migration<T>(&self, to: &str, work: impl FnOnce(&mut Migration<'_>) -> T) -> T {
        let mut etcd = Store { records: Rc::clone(&self.etcd), stores: self.clone() };
        let mut kubernetes = Store { records: Rc::clone(&self.kubernetes), stores: self.clone() };
        let etcd = Side { store: &mut etcd, name: "etcd" };
        let kubernetes = Side { store: &mut kubernetes, name: "kubernetes" };
        let is_back = to == "etcd";
        let (source, target) = if is_back { (kubernetes, etcd) } else { (etcd, kubernetes) };
        let uids = ["n-1", "n-2", "n-3"].map(|name| (name.to_owned(), format!("uid of {name}")));
        work(&mut Migration {
            source,
            target,
            node_uids: (!is_back).then(|| uids.into()),
            own: None,
            new_rest: Map::new(),
        })
    }

    /// This happens to the next migration after so many calls.
    fn after(&self, calls: usize, event: impl FnOnce(&Self) + 'static) {
        self.left.set(calls);
        *self.event.borrow_mut() = Some(Box::new(event));
    }

    fn go_on(&self) {
        self.left.set(usize::MAX);
        self.event.borrow_mut().take();
    }

    fn records(&self) -> [InMemoryStore; 2] {
        [self.etcd.borrow().clone(), self.kubernetes.borrow().clone()]
    }

    /// A new node, which gets a block wherever it can have one.
    fn newcomer(&self, name: &str) -> [Option<IpNet>; 2] {
        [&self.etcd, &self.kubernetes].map(|store| {
            // A store without a cluster would be given one.
            store.borrow().iter().next()?;
            let mut local = LocalState::new(name, name);
            join(&mut local, store).ok()?;
            claim(&mut local, store).ok()
        })
    }

    fn in_kubernetes(&self, local: &LocalState) -> Result<Vec<IpNet>, ClusterError> {
        join(&mut local.clone().of_moved_cluster("kubernetes"), &self.kubernetes)
    }
}

fn held(local: &LocalState) -> Vec<IpNet> {
    local.held().collect()
}

#[test]
fn nodes_keep_their_blocks_and_the_old_store_gives_no_more() {
    let (stores, mut locals) = Stores::with_cluster();
    let moved = stores.migrate("kubernetes").unwrap();
    assert_eq!((moved.plan, moved.contents.members.len(), moved.contents.blocks.len()), (Plan::Move, 2, 2));
    assert!(claim(&mut locals[0], &stores.etcd).unwrap_err().contains("has moved to the store kubernetes"));
    for local in &mut locals {
        let before = held(local);
        *local = local.clone().of_moved_cluster("kubernetes");
        assert!(held(local).is_empty(), "until the new store has confirmed it");
        assert_eq!(join(local, &stores.kubernetes).unwrap(), before);
    }
    assert_eq!(claim(&mut locals[1], &stores.kubernetes).unwrap(), "10.32.2.0/24".parse().unwrap());
    assert_eq!(stores.migrate("kubernetes").unwrap().plan, Plan::Nothing);
}

#[test]
fn what_is_examined_is_not_written_to() {
    let (stores, _) = Stores::with_cluster();
    let before = stores.records();
    let found = stores.migration("kubernetes", |migration| migration.examine(&grids())).unwrap();
    assert_eq!((found.plan, found.contents.blocks.len()), (Plan::Move, 2));
    assert!(stores.records() == before);
}

#[test]
fn interrupted_at_any_call_it_goes_on_and_nothing_is_claimed_in_both_meanwhile() {
    for calls in 0.. {
        let (stores, locals) = Stores::with_cluster();
        stores.left.set(calls);
        let is_interrupted = stores.migrate("kubernetes").is_err();
        stores.go_on();
        let blocks = stores.newcomer("n-3");
        assert!(blocks.iter().flatten().count() <= 1, "after {calls} calls: {blocks:?}");
        let moved = stores.migrate("kubernetes").unwrap();
        let newcomers = blocks.iter().flatten().count();
        assert_eq!(moved.contents.blocks.len(), 2 + newcomers, "after {calls} calls");
        for local in &locals {
            assert_eq!(stores.in_kubernetes(local).unwrap(), held(local));
        }
        if !is_interrupted {
            assert!(calls > 12, "{calls}");
            return;
        }
    }
}

/// The first migration stands still at some call while another one is carried out, and goes on after that.
fn overtaken(calls: usize, event: impl FnOnce(&Stores) + 'static) -> (Stores, [LocalState; 2], bool) {
    let (stores, locals) = Stores::with_cluster();
    stores.after(calls, event);
    let done = stores.migrate("kubernetes");
    let was_overtaken = stores.event.borrow().is_none();
    if let Err(error) = &done {
        assert!(matches!(error, MigrationError::Interfered { .. }), "after {calls} calls: {error}");
    }
    stores.go_on();
    (stores, locals, was_overtaken)
}

#[test]
fn two_at_once_do_no_more_than_one() {
    for calls in 0.. {
        let claimed = Rc::new(Cell::new(None));
        let seen = Rc::clone(&claimed);
        let (stores, locals, was_overtaken) = overtaken(calls, move |stores| {
            stores.migrate("kubernetes").unwrap();
            // The cluster is in use again before the first one goes on.
            seen.set(stores.newcomer("n-3")[1]);
        });
        if !was_overtaken {
            return;
        }
        let block = claimed.get().expect("a block of the newcomer");
        let found = stores.migration("kubernetes", |migration| migration.examine(&grids())).unwrap();
        assert_eq!(found.plan, Plan::Nothing);
        assert!(found.contents.blocks.contains_key(&block), "after {calls} calls {block} is lost");
        for local in &locals {
            assert_eq!(stores.in_kubernetes(local).unwrap(), held(local), "after {calls} calls");
        }
    }
}

#[test]
fn one_that_is_given_up_while_it_runs_opens_nothing() {
    for calls in 0.. {
        let (stores, locals, was_overtaken) = overtaken(calls, |stores| {
            // Before the first write there is nothing to give up, and after the last one it is a move back.
            let _ = stores.migrate("etcd");
        });
        if !was_overtaken {
            return;
        }
        let blocks = stores.newcomer("n-3");
        assert!(blocks.iter().flatten().count() <= 1, "after {calls} calls: {blocks:?}");
        let moved = stores.migrate("kubernetes").unwrap();
        assert_eq!(moved.contents.blocks.len(), 2 + blocks.iter().flatten().count(), "after {calls} calls");
        for local in &locals {
            assert_eq!(stores.in_kubernetes(local).unwrap(), held(local), "after {calls} calls");
        }
    }
}

#[test]
fn a_claim_that_comes_late_does_not_count() {
    for arrives_before_the_copy in [false, true] {
        let (stores, mut locals) = Stores::with_cluster();
        let local = &mut locals[0];
        let mut claim = Claim::new(Lowest, 0, 0);
        let carry_out = |call: &Call| stores.etcd.borrow_mut().carry_out(call);
        let Step::Call(list) = claim.start(local, 1) else { panic!() };
        let Step::Call(create) = claim.resume(carry_out(&list), local, 1) else { panic!() };
        assert!(matches!(&create, Call::Create { key, .. } if key == "blocks/10.32.2.0-24"), "{create:?}");
        let early = arrives_before_the_copy.then(|| carry_out(&create));
        let moved = stores.migrate("kubernetes").unwrap();
        assert_eq!(moved.contents.blocks.len(), 2 + usize::from(arrives_before_the_copy));
        let Step::Call(get) = claim.resume(early.unwrap_or_else(|| carry_out(&create)), local, 1) else { panic!() };
        let Step::Call(list) = claim.resume(carry_out(&get), local, 1) else { panic!("the fence was not seen") };
        let Step::Done(done) = claim.resume(carry_out(&list), local, 1) else { panic!() };
        assert!(done.unwrap_err().to_string().contains("has moved"), "{arrives_before_the_copy}");
        assert_eq!(local.held().count(), 1);
    }
}

#[test]
fn a_cluster_goes_back_with_what_was_claimed_meanwhile() {
    let (stores, mut locals) = Stores::with_cluster();
    stores.migrate("kubernetes").unwrap();
    for local in &mut locals {
        *local = local.clone().of_moved_cluster("kubernetes");
        join(local, &stores.kubernetes).unwrap();
    }
    let block = claim(&mut locals[0], &stores.kubernetes).unwrap();
    let moved = stores.migrate("etcd").unwrap();
    assert_eq!((moved.plan, moved.contents.blocks.len()), (Plan::Move, 3));
    assert!(claim(&mut locals[0], &stores.kubernetes).unwrap_err().contains("has moved to the store etcd"));
    let before = held(&locals[0]);
    assert!(before.contains(&block));
    locals[0] = locals[0].clone().of_moved_cluster("");
    assert_eq!(join(&mut locals[0], &stores.etcd).unwrap(), before);
    claim(&mut locals[0], &stores.etcd).unwrap();
    assert_eq!(stores.migrate("kubernetes").unwrap().contents.blocks.len(), 4, "and forth again");
}

#[test]
fn whatever_could_mix_clusters_or_blocks_is_refused_before_anything_is_written() {
    let refused = |spoil: &dyn Fn(&Stores)| {
        let (stores, _) = Stores::with_cluster();
        spoil(&stores);
        let before = stores.records();
        let error = stores.migrate("kubernetes").unwrap_err();
        assert!(stores.records() == before);
        error.to_string()
    };
    let put = |store: &RefCell<InMemoryStore>, key: &str, value: &str| {
        let call = Call::Create { key: key.to_owned(), value: value.as_bytes().to_vec() };
        assert!(matches!(store.borrow_mut().carry_out(&call), Reply::Written(_)));
    };
    let two = refused(&|stores| {
        join(&mut LocalState::new("other", "o"), &stores.kubernetes).unwrap();
    });
    assert!(two.contains("1 members, 0 blocks"), "{two}");
    let stranger = refused(&|stores| {
        join(&mut LocalState::new("stranger", "s"), &stores.etcd).unwrap();
    });
    assert!(stranger.contains("no Node object is called stranger"), "{stranger}");
    let damaged = refused(&|stores| put(&stores.etcd, "blocks/10.32.5.0-24", "null"));
    assert!(damaged.contains("cannot read the record blocks/10.32.5.0-24"), "{damaged}");
    let inside = refused(&|stores| put(&stores.etcd, "blocks/10.32.0.128-25", r#"{"owner":"n-2","incarnation":1}"#));
    assert!(inside.contains("lies in the block 10.32.0.0/24"), "{inside}");
    let nobodys = refused(&|stores| put(&stores.etcd, "blocks/10.32.5.0-24", r#"{"owner":"n-l","incarnation":1}"#));
    assert!(nobodys.contains("of n-l, which is no member"), "{nobodys}");
    let elsewhere = refused(&|stores| put(&stores.etcd, "blocks/10.99.5.0-24", r#"{"owner":"n-1","incarnation":1}"#));
    assert!(elsewhere.contains("not in the network's range"), "{elsewhere}");
}

/// Before each further call a node writes its block's record, each time another one.
fn writes_on(stores: &Stores) {
    let key = "blocks/10.32.5.0-24".to_owned();
    let mut etcd = stores.etcd.borrow_mut();
    let Reply::Got(found) = etcd.carry_out(&Call::Get { key: key.clone() }) else { panic!("no answer") };
    let call = match found {
        Some(found) => {
            let value = format!(r#"{{"owner":"n-1","incarnation":1,"after":"{:?}"}}"#, found.version);
            Call::Update { key, value: value.into_bytes(), expected: found.version }
        }
        None => Call::Create { key, value: br#"{"owner":"n-1","incarnation":1}"#.to_vec() },
    };
    etcd.carry_out(&call);
    stores.after(0, writes_on);
}

#[test]
fn a_node_that_writes_on_in_a_closed_store_is_reported_and_nothing_is_opened() {
    let (stores, locals) = Stores::with_cluster();
    stores.after(0, writes_on);
    let refused = stores.migrate("kubernetes").unwrap_err();
    assert!(matches!(refused, MigrationError::Restless { store: "etcd" }), "{refused}");
    assert!(refused.to_string().contains("a node still writes there"), "{refused}");
    stores.go_on();
    assert_eq!(stores.newcomer("n-3"), [None, None], "neither store gives a block");
    // It is stopped, and the command is run again.
    let moved = stores.migrate("kubernetes").unwrap();
    assert!(moved.contents.blocks.len() >= 2, "{moved:?}");
    for local in &locals {
        let taken = stores.in_kubernetes(local).unwrap();
        assert!(held(local).iter().all(|block| taken.contains(block)), "{taken:?}");
    }
}

#[test]
fn a_target_with_another_range_is_refused_before_anything_is_written() {
    let (stores, _) = Stores::with_cluster();
    let other = vec![Grid::new("10.99.0.0/16".parse().unwrap(), 24).unwrap()];
    let identity = Identity { machine: "m".to_owned(), boot: "b".to_owned(), address: None, mac: None, node_uid: None };
    run(Join::new(identity, other, "weave-split"), &mut LocalState::new("n-1", "n-1"), &stores.kubernetes).unwrap();
    let before = stores.records();
    let refused = stores.migrate("kubernetes").unwrap_err().to_string();
    assert!(refused.contains("moving would mix two clusters"), "{refused}");
    assert!(stores.records() == before);
}

#[test]
fn a_node_whose_disk_says_otherwise_than_the_store_is_not_moved() {
    let (stores, locals) = Stores::with_cluster();
    let refused = stores.migration("kubernetes", |migration| {
        migration.own = Some(("n-2".to_owned(), held(&locals[0])));
        migration.run(&grids(), Duration::ZERO, |_| ())
    });
    assert!(refused.unwrap_err().to_string().contains("nodes and store disagree"));
    let other = vec![Grid::new("10.32.0.0/20".parse().unwrap(), 24).unwrap()];
    let refused = stores.migration("kubernetes", |migration| migration.examine(&other)).unwrap_err();
    assert!(refused.to_string().contains("a network keeps its range"), "{refused}");
}
