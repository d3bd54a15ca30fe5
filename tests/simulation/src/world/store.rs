//! The store, with the properties that the setup gives it.

use gingham_ownership::record::{self, Key, LifeRecord};
use gingham_ownership::shared_store::{Call, Record, Reply, StoreFault, Version};

use super::World;
use crate::disk::Disk;
use crate::process::Leg;
use crate::truth::Violation;

const NONCE: &[u8] = b"{\"nonce\":";

impl<D: Disk> World<D> {
    pub(super) fn carry(&mut self, number: usize, process: usize) {
        let next = match self.leg(number, process) {
            Some(Leg::There(call)) => {
                let call = call.clone();
                self.arrive(&call)
            }
            Some(Leg::Half(listed)) => {
                let listed = listed.clone();
                Leg::Back(self.with_present_members(listed))
            }
            _ => return,
        };
        if let Some(process) = &mut self.machines[number].processes[process] {
            process.leg = next;
        }
    }

    fn arrive(&mut self, call: &Call) -> Leg {
        if !self.is_up {
            return Leg::Back(Reply::Refused(StoreFault::Unreachable("connection refused".into())));
        }
        let reply = without_nonces(self.carry_out(call));
        let store = self.setup.store;
        let is_half = matches!(call, Call::List { .. }) && store.split_lists && !store.exact_lists;
        if is_half { Leg::Half(reply) } else { Leg::Back(reply) }
    }

    /// The second read of a list: blocks as they were, everything else as it is.
    fn with_present_members(&self, listed: Reply) -> Reply {
        let Reply::Listed { mut records, at } = listed else { return listed };
        let is_block = |key: &str| matches!(Key::read(key), Key::Block(_));
        records.retain(|(key, _)| is_block(key));
        let others = self.records.iter().filter(|(key, _)| !is_block(key));
        records.extend(others.map(|(key, record)| (key.to_owned(), record.clone())));
        records.sort_by(|one, other| one.0.cmp(&other.0));
        without_nonces(Reply::Listed { records, at })
    }

    pub(super) fn carry_out(&mut self, call: &Call) -> Reply {
        if let Some(reply) = self.life(call) {
            return reply;
        }
        if let Some(reply) = self.no_op(call) {
            return reply;
        }
        let reply = self.records.carry_out(call);
        self.truth.carried_out(call, &reply);
        if matches!(reply, Reply::Written(_) | Reply::Deleted)
            && let Call::Create { key, .. } | Call::Update { key, .. } | Call::Delete { key, .. } = call
        {
            self.unwritten.remove(key);
            let done = match Key::read(key) {
                Key::Block(block) => self.truth.check_block(block, &self.machines),
                Key::Member(name) => self.truth.check_node(name, &self.machines),
                _ => Ok(()),
            };
            self.note(done);
        }
        reply
    }

    /// Rule R2 rests on this: after a write that was answered, no earlier delete of the record is carried out.
    pub(super) fn arrive_late(&mut self, call: &Call) {
        let was_unwritten = matches!(call, Call::Delete { key, .. } if self.unwritten.contains(key));
        if self.carry_out(call) == Reply::Deleted && was_unwritten {
            let what = format!("{call:?} is carried out after an update that was answered as written");
            self.note(Err(Violation::new(what)));
        }
    }

    fn no_op(&mut self, call: &Call) -> Option<Reply> {
        let Call::Update { key, value, expected } = call else { return None };
        let found = self.records.get(key).filter(|_| self.setup.store.no_op_updates)?;
        let (version, is_no_op) = (found.version, found.version == *expected && found.value == *value);
        is_no_op.then(|| {
            self.unwritten.insert(key.clone());
            Reply::Written(version)
        })
    }

    fn life(&self, call: &Call) -> Option<Reply> {
        let Call::Get { key } = call else { return None };
        let Key::Life(name) = Key::read(key) else { return None };
        if !self.setup.store.leases {
            return None;
        }
        let lease = self.leases.get(name).map(|renewed| {
            let value = record::write(&LifeRecord { incarnation: 0, beat: *renewed });
            Record { value, version: Version(renewed + 1) }
        });
        Some(Reply::Got(lease))
    }

    /// Each machine that runs renews its Lease, if it has one.
    pub(super) fn renew_leases(&mut self) {
        for machine in self.machines.iter().filter(|machine| machine.is_on) {
            if let Some(renewed) = self.leases.get_mut(&machine.node) {
                *renewed += 1;
            }
        }
    }

    /// Somebody writes to a block's or a member's record, and what it says stays.
    pub(super) fn label(&mut self, number: usize) {
        let is_labelled = |key: &str| matches!(Key::read(key), Key::Block(_) | Key::Member(_));
        let found = self.records.iter().filter(|(key, _)| is_labelled(key)).nth(number);
        let Some((key, record)) = found.filter(|_| self.setup.store.foreign_writes) else { return };
        let call = Call::Update { key: key.to_owned(), value: record.value.clone(), expected: record.version };
        self.unwritten.remove(key.to_owned().as_str());
        self.records.carry_out(&call);
    }

    /// What the store's adapter sends: with a value that no record has that its sender can know of.
    pub(super) fn stamped(&self, call: Call) -> Call {
        if !self.setup.store.nonces {
            return call;
        }
        let stamp = |value: Vec<u8>| {
            let nonce = self.records.latest().0.to_string();
            [NONCE, nonce.as_bytes(), b",", value.get(1..).unwrap_or_default()].concat()
        };
        match call {
            Call::Create { key, value } => Call::Create { key, value: stamp(value) },
            Call::Update { key, value, expected } => Call::Update { key, value: stamp(value), expected },
            call => call,
        }
    }
}

fn without_nonces(reply: Reply) -> Reply {
    match reply {
        Reply::Got(found) => Reply::Got(found.map(without_nonce)),
        Reply::Conflict(found) => Reply::Conflict(found.map(without_nonce)),
        Reply::Listed { records, at } => {
            let records = records.into_iter().map(|(key, record)| (key, without_nonce(record))).collect();
            Reply::Listed { records, at }
        }
        reply => reply,
    }
}

fn without_nonce(record: Record) -> Record {
    let end = record.value.iter().position(|byte| *byte == b',');
    match end.filter(|_| record.value.starts_with(NONCE)) {
        Some(end) => Record { value: [b"{", &record.value[end + 1..]].concat(), ..record },
        None => record,
    }
}
