//! What is true of the whole cluster, seen from above, and what must always be true of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gingham_ownership::local::MembershipState;
use gingham_ownership::record::{self, BlockRecord, Key, MemberRecord};
use gingham_ownership::shared_store::{Call, Reply};
use ipnet::IpNet;

use crate::disk::Disk;
use crate::machine::Machine;

/// The store's records, read, and who uses what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Truth {
    /// Up to which incarnation a node's blocks are free.
    pub fenced: BTreeMap<String, u64>,
    /// Who owns a block, and since which incarnation.
    pub owners: BTreeMap<IpNet, (String, u64)>,
    /// Which machine serves from a block.
    pub servers: BTreeMap<IpNet, usize>,
    /// Which machine's container uses an address.
    pub users: BTreeMap<IpAddr, usize>,
}

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub what: String,
    /// Whether an address is in use twice: everything else only leads to that.
    pub is_damage: bool,
}

impl Violation {
    /// Something that could become a damage.
    pub fn new(what: String) -> Self {
        Self { what, is_damage: false }
    }
}

impl Truth {
    /// Notes what the store has done.
    pub fn carried_out(&mut self, call: &Call, reply: &Reply) {
        match (call, reply) {
            (Call::Create { key, value } | Call::Update { key, value, .. }, Reply::Written(_)) => {
                match Key::read(key) {
                    Key::Block(block) => {
                        if let Ok(BlockRecord { owner, incarnation, .. }) = record::read(key, value) {
                            self.owners.insert(block, (owner, incarnation));
                        }
                    }
                    Key::Member(name) => {
                        if let Ok(MemberRecord { fenced, .. }) = record::read(key, value) {
                            self.fenced.insert(name.to_owned(), fenced);
                        }
                    }
                    _ => {}
                }
            }
            (Call::Delete { key, .. }, Reply::Deleted) => {
                if let Key::Block(block) = Key::read(key) {
                    self.owners.remove(&block);
                }
            }
            _ => {}
        }
    }

    pub fn owner(&self, block: IpNet) -> Option<(&str, u64)> {
        let (owner, incarnation) = self.owners.get(&block)?;
        let is_live = *incarnation > self.fenced.get(owner).copied().unwrap_or(0);
        is_live.then_some((owner.as_str(), *incarnation))
    }

    /// I2: who serves from a block is its live owner in the store.
    ///
    /// # Errors
    /// If it is not.
    pub fn check_block<D>(&self, block: IpNet, machines: &[Machine<D>]) -> Result<(), Violation> {
        let Some(server) = self.servers.get(&block) else { return Ok(()) };
        let machine = &machines[*server];
        match self.owner(block) {
            Some((owner, incarnation)) if owner == machine.node && incarnation == machine.local.incarnation() => Ok(()),
            owner => Err(Violation::new(format!(
                "machine {server} ({}, incarnation {}) serves from {block}, which the store knows as {owner:?}",
                machine.node,
                machine.local.incarnation()
            ))),
        }
    }

    /// I2 for all blocks of a node, whose membership changed.
    ///
    /// # Errors
    /// As above.
    pub fn check_node<D>(&self, node: &str, machines: &[Machine<D>]) -> Result<(), Violation> {
        let of_node = self.servers.iter().filter(|(_, server)| machines[**server].node == node);
        of_node.map(|(block, _)| *block).try_for_each(|block| self.check_block(block, machines))
    }

    /// Notes from which blocks a machine serves now. No two serve from one.
    ///
    /// # Errors
    /// If two do, or it serves from what it must not.
    pub fn serves<D: Disk>(&mut self, number: usize, machines: &[Machine<D>]) -> Result<(), Violation> {
        let machine = &machines[number];
        self.servers.retain(|_, server| *server != number);
        let mut done = check_machine(machine);
        if machine.is_on {
            for block in machine.serves() {
                let other = self.servers.insert(block, number);
                let twice = |other| Violation::new(format!("machines {other} and {number} both serve from {block}"));
                done = done.and(other.map_or(Ok(()), |other| Err(twice(other))));
                done = done.and(self.check_block(block, machines));
            }
        }
        done
    }

    /// Notes that a container uses an address. No two do.
    ///
    /// # Errors
    /// If two do, or none should.
    pub fn uses(&mut self, address: IpAddr, number: usize, range: IpNet) -> Result<(), Violation> {
        if address == range.network() || address == range.broadcast() {
            return Err(Violation::new(format!("machine {number} hands out {address}, which is reserved")));
        }
        match self.users.insert(address, number) {
            None => Ok(()),
            Some(other) => {
                let what = format!("{address} is in use on the machines {other} and {number}");
                Err(Violation { what, is_damage: true })
            }
        }
    }
}

/// I3: containers run only on members, and use only addresses of blocks that are held.
fn check_machine<D: Disk>(machine: &Machine<D>) -> Result<(), Violation> {
    for (pod, address) in &machine.pods {
        if !machine.local.held().any(|block| block.contains(address)) {
            let membership = machine.local.membership();
            return Err(Violation::new(format!(
                "container {pod} of {} uses {address}, which is in none of its blocks ({membership:?})",
                machine.node
            )));
        }
    }
    let is_in_order = machine.local.membership() == MembershipState::Member || machine.local.held().next().is_none();
    if is_in_order { Ok(()) } else { Err(Violation::new(format!("{} serves and is no member", machine.node))) }
}
