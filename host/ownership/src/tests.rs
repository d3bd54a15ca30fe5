//! Tasks step by step, against a store that answers at once.

mod blocks;
mod joining;
mod stored_records;
mod takeovers;

use ipnet::IpNet;

use super::claim::{Chooser, Claim, ClaimError, Claimed};
use super::error::ClusterError;
use super::grid::{BlockMap, Grid};
use super::in_memory_store::InMemoryStore;
use super::join::{Identity, Join, Joined};
use super::local::LocalState;
use super::record::{self, BlockRecord, MemberRecord};
use super::shared_store::{Call, Reply, StoreFault};
use super::task::{Step, Task};

const NOW: u64 = 1_700_000_000_000;

/// The first unclaimed block.
struct Lowest;

impl Chooser for Lowest {
    type Error = ();

    fn next_block(&mut self, block_map: &BlockMap) -> Result<IpNet, ()> {
        block_map.next_unclaimed(block_map.grids()[0].range().into(), None).ok_or(())
    }
}

/// Always this one.
struct Only(IpNet);

impl Chooser for Only {
    type Error = ();

    fn next_block(&mut self, _block_map: &BlockMap) -> Result<IpNet, ()> {
        Ok(self.0)
    }
}

fn block(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn grids() -> Vec<Grid> {
    vec![Grid::new(block("10.32.0.0/22"), 24).unwrap()]
}

fn identity(machine: &str, boot: &str) -> Identity {
    let address = Some("192.0.2.1".parse().unwrap());
    Identity { machine: machine.into(), boot: boot.into(), address, mac: None, node_uid: None }
}

/// Drives a task to its end; `meddle` may do something else after each call, and change the reply.
fn drive<T: Task>(
    task: &mut T,
    local: &mut LocalState,
    records: &mut InMemoryStore,
    mut meddle: impl FnMut(usize, &Call, Reply, &mut LocalState, &mut InMemoryStore) -> Reply,
) -> T::Output {
    let mut step = task.start(local, NOW);
    for number in 0..100 {
        match step {
            Step::Done(output) => return output,
            Step::Call(call) => {
                let reply = records.carry_out(&call);
                let reply = meddle(number, &call, reply, local, records);
                *local = LocalState::read(&local.to_bytes(), local.boot()).unwrap();
                step = task.resume(reply, local, NOW);
            }
        }
    }
    panic!("the task does not end");
}

fn run<T: Task>(task: &mut T, local: &mut LocalState, records: &mut InMemoryStore) -> T::Output {
    drive(task, local, records, |_, _, reply, _, _| reply)
}

fn join(local: &mut LocalState, records: &mut InMemoryStore, boot: &str) -> Result<Joined, ClusterError> {
    run(&mut Join::new(identity(&format!("machine of {}", local.node()), boot), grids(), "p"), local, records)
}

fn claim(local: &mut LocalState, records: &mut InMemoryStore) -> Result<Claimed, ClaimError<()>> {
    run(&mut Claim::new(Lowest, 0, 120_000), local, records)
}

/// A cluster of nodes that have joined, in their first boot.
fn cluster(names: &[&str]) -> (InMemoryStore, Vec<LocalState>) {
    let mut records = InMemoryStore::new();
    let mut locals = Vec::new();
    for name in names {
        let mut local = LocalState::new(name, &format!("disk of {name}"));
        join(&mut local, &mut records, "boot-1").unwrap();
        locals.push(local);
    }
    (records, locals)
}

fn member(records: &InMemoryStore, name: &str) -> MemberRecord {
    let key = record::member_key(name);
    record::read(&key, &records.get(&key).unwrap().value).unwrap()
}

fn owner(records: &InMemoryStore, block: IpNet) -> Option<BlockRecord> {
    let key = record::block_key(block);
    records.get(&key).map(|found| record::read(&key, &found.value).unwrap())
}

fn lost() -> Reply {
    Reply::Unknown(StoreFault::Unreachable("no answer".into()))
}
