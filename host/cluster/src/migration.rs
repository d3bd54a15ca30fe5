//! Moving a network's cluster from one store to another while its nodes run.
//!
//! ```text
//!   target config: movingFrom    nothing can be claimed in the target yet
//!   source config: movedTo       nothing can be claimed in the source any more, by who lists it from now on
//!   source members: closed       nor by who listed it before (their fence)
//!   copy until both are equal    members and live blocks, with their incarnations
//!   target config: open          nodes take their blocks over there: Cluster::follow_move
//! ```
//!
//! At no moment can a block be claimed in both stores. Each step is one write that compares, so that a migration can be
//! interrupted at any of them and repeated, and two at the same time do no more than one.

mod contents;
pub(crate) mod follow;
mod plan;
mod read;
mod side;

use std::thread;
use std::time::Duration;

use gingham_ownership::error::ClusterError;
use gingham_ownership::grid::Grid;
use gingham_ownership::record::{ConfigRecord, SCHEMA, SCHEMA_OF_A_MOVE};
use gingham_ownership::shared_store::{SharedStore, StoreFault};
use ipnet::IpNet;
use serde_json::{Map, Value};

use crate::Cluster;
use crate::error::Fault;

pub use contents::{Contents, NodeUids};
pub use plan::Plan;
pub use side::Side;

/// Longer than any task takes. Nodes with a version that does not know the fence of a move end theirs meanwhile.
pub const SETTLE_TIME: Duration = Duration::from_secs(12);

/// How often the source may have changed since it was read: releases go on, and calls of tasks that have ended arrive.
const MOST_ROUNDS: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error("the store {store}: {source}")]
    Store { store: &'static str, source: StoreFault },
    #[error("the store {store}: {source}")]
    Records { store: &'static str, source: Box<ClusterError> },
    #[error("the store {store} has no cluster of this network; nothing was changed")]
    NoCluster { store: &'static str },
    #[error(
        "the store {store} has records of this network already ({members} members, {blocks} blocks), and they are not of \
         this move: moving would mix two clusters; use a network of another name, or delete those records if no node \
         uses them"
    )]
    NotEmpty { store: &'static str, members: usize, blocks: usize },
    #[error(
        "cannot move from {from} to {to}: the config of {from} is {source_phase}, that of {to} is {target_phase}, which no \
         migration leaves behind; restore the record `config` of one of them"
    )]
    Phases { from: &'static str, to: &'static str, source_phase: String, target_phase: String },
    #[error(
        "cannot read the record {key} of the store {store}: its block could be given to two nodes; correct the record, or \
         delete it if no node uses it"
    )]
    Unreadable { store: &'static str, key: String },
    #[error("the store {store} has the block {block} of {owner}, which {why}; correct this record first")]
    Inconsistent { store: &'static str, block: IpNet, owner: String, why: String },
    #[error(
        "no Node object is called {}: in Kubernetes members have the names of Node objects; end these memberships first \
         (ginghamctl cluster leave there, or takeover)",
        names.join(", ")
    )]
    NoNode { names: Vec<String> },
    #[error(
        "this node hands out addresses of {block}, and the store {store} does not record it as this node's: nodes and store \
         disagree; run ginghamctl cluster status"
    )]
    Disagreement { store: &'static str, block: IpNet },
    #[error(
        "the records of the store {store} change all the time although its network is closed: a node still writes there; \
         find it (ginghamctl cluster status), stop its gingham-node, and run the command again"
    )]
    Restless { store: &'static str },
    #[error("another migration of this network changed the store {store} at the same time; run the command again")]
    Interfered { store: &'static str },
    #[error("the store {store} answers a call with a reply of another kind; report this as a bug")]
    Reply { store: &'static str },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    pub plan: Plan,
    pub contents: Contents,
}

pub struct Migration<'s> {
    pub source: Side<'s>,
    pub target: Side<'s>,
    /// Where members must be Nodes.
    pub node_uids: Option<NodeUids>,
    /// This node and its blocks, by its own disk: the store must know them as its.
    pub own: Option<(String, Vec<IpNet>)>,
    /// What the target's config gets beside what members agree on, if it has none yet.
    pub new_rest: Map<String, Value>,
}

impl Migration<'_> {
    /// What is to be done. Nothing is written. `grids` are those of this node's configuration.
    ///
    /// # Errors
    /// [`MigrationError`] if nothing can be moved.
    pub fn examine(&mut self, grids: &[Grid]) -> Result<Migrated, MigrationError> {
        // In this order: what another migration completes between the two looks like one that goes on, not like two clusters.
        let target = self.target.read()?;
        let source = self.source.read()?;
        source.require_grids(grids, self.source.name)?;
        let plan = plan::plan((&self.source, &source), (&self.target, &target))?;
        // The store that counts.
        let side = if plan == Plan::Move { (&source, &self.source) } else { (&target, &self.target) };
        let contents = Contents::of(side.0, side.1.name, self.node_uids.as_ref().filter(|_| plan == Plan::Move))?;
        if plan == Plan::Move
            && let Some((node, held)) = &self.own
        {
            contents.require_held(node, held, self.source.name)?;
        }
        Ok(Migrated { plan, contents })
    }

    /// Does what [`Self::examine`] finds, and reports each step as it begins.
    ///
    /// # Errors
    /// [`MigrationError`]. The same call goes on from there.
    pub fn run(
        &mut self,
        grids: &[Grid],
        settle_time: Duration,
        mut report: impl FnMut(&str),
    ) -> Result<Migrated, MigrationError> {
        let found = self.examine(grids)?;
        match found.plan {
            Plan::Move => {
                let contents = self.relocate(settle_time, &mut report)?;
                Ok(Migrated { contents, ..found })
            }
            Plan::GiveUp => {
                self.give_up(&mut report)?;
                Ok(found)
            }
            Plan::Nothing => Ok(found),
        }
    }

    fn relocate(&mut self, settle_time: Duration, report: &mut impl FnMut(&str)) -> Result<Contents, MigrationError> {
        let (from, to) = (self.source.name, self.target.name);
        let agreed = self.source.config()?.ok_or(MigrationError::NoCluster { store: from })?;
        report(&format!("reserving the network in {to}"));
        self.reserve(&agreed)?;
        report(&format!("closing the network in {from}: blocks are not claimed there any more"));
        let closed = self.close(agreed.epoch)?;
        self.source.close_members(closed.epoch)?;
        report("waiting until claims that are under way have ended");
        thread::sleep(settle_time);
        report("copying members and blocks, and comparing them");
        let contents = self.copy(agreed.epoch, &closed)?;
        report(&format!("opening the network in {to}"));
        self.open(agreed.epoch, closed.epoch)?;
        Ok(contents)
    }

    /// The reservation has the epoch in which the source was found: it is not that of another migration.
    fn reserve(&mut self, agreed: &ConfigRecord) -> Result<ConfigRecord, MigrationError> {
        let (from, store) = (self.source.name, self.target.name);
        let new = ConfigRecord { rest: self.new_rest.clone(), ..agreed.clone() };
        self.target.put_config(|found| match found {
            Some(found) if !found.is_closed() => Err(MigrationError::Interfered { store }),
            found => Ok(ConfigRecord {
                schema: SCHEMA_OF_A_MOVE,
                moving_from: Some(from.to_owned()),
                moved_to: None,
                ..agreed.clone().with_rest_of(found.unwrap_or(&new))
            }),
        })
    }

    /// Also what is closed already begins another epoch: a call that gives the earlier move up finds that.
    fn close(&mut self, epoch: u64) -> Result<ConfigRecord, MigrationError> {
        let (store, to) = (self.source.name, self.target.name);
        self.source.put_config(|found| match found {
            None => Err(MigrationError::NoCluster { store }),
            Some(found) if found.moving_from.is_some() => Err(MigrationError::Interfered { store }),
            Some(found) if found.epoch == epoch + 1 && found.moved_to.as_deref() == Some(to) => Ok(found.clone()),
            Some(found) if found.epoch == epoch => Ok(ConfigRecord {
                schema: SCHEMA_OF_A_MOVE,
                moved_to: Some(to.to_owned()),
                epoch: epoch + 1,
                ..found.clone()
            }),
            Some(_) => Err(MigrationError::Interfered { store }),
        })
    }

    fn open(&mut self, reserved: u64, epoch: u64) -> Result<ConfigRecord, MigrationError> {
        let store = self.target.name;
        self.target.put_config(|found| match found {
            Some(found) if found.is_reserved_in(reserved) => {
                Ok(ConfigRecord { schema: SCHEMA, moving_from: None, epoch, ..found.clone() })
            }
            // A migration of the same epoch was first, and had compared the same records.
            Some(found) if !found.is_closed() && found.epoch == epoch => Ok(found.clone()),
            _ => Err(MigrationError::Interfered { store }),
        })
    }

    /// Until both have the same, and the source has not changed meanwhile.
    fn copy(&mut self, reserved: u64, closed: &ConfigRecord) -> Result<Contents, MigrationError> {
        for round in 0..MOST_ROUNDS {
            let contents = self.contents_of_closed(closed)?;
            // Everything is written once more, so that no write of an earlier migration fits any more.
            let is_equal = self.target.make_equal(reserved, &contents, round == 0)?;
            if is_equal && self.contents_of_closed(closed)? == contents {
                return Ok(contents);
            }
        }
        Err(MigrationError::Restless { store: self.source.name })
    }

    fn contents_of_closed(&mut self, closed: &ConfigRecord) -> Result<Contents, MigrationError> {
        let store = self.source.name;
        let read = self.source.read()?;
        if read.config() != Some(closed) {
            return Err(MigrationError::Interfered { store });
        }
        Contents::of(&read, store, self.node_uids.as_ref())
    }

    /// A move that has not come to its end: the other store counts, and is opened again.
    fn give_up(&mut self, report: &mut impl FnMut(&str)) -> Result<(), MigrationError> {
        let (from, to) = (self.source.name, self.target.name);
        let counted = self.target.config()?.ok_or(MigrationError::NoCluster { store: to })?;
        report(&format!("ending the reservation in {from}"));
        self.source.put_config(|found| match found {
            Some(found) if found.moving_from.is_some() => {
                Ok(ConfigRecord { moved_to: Some(to.to_owned()), ..found.clone() })
            }
            _ => Err(MigrationError::Interfered { store: from }),
        })?;
        report(&format!("opening the network in {to} again"));
        let open = ConfigRecord { schema: SCHEMA, moved_to: None, ..counted.clone() };
        self.target.put_config(|found| match found {
            // Another one is a later migration's, which has reserved the other store again.
            Some(found) if counted.moving_from.is_none() && (*found == counted || *found == open) => Ok(open.clone()),
            _ => Err(MigrationError::Interfered { store: to }),
        })?;
        Ok(())
    }
}

impl Cluster<'_> {
    /// Moves this network's cluster between its store and another one. `back`: to its store.
    ///
    /// # Errors
    /// [`Fault`] if the store, or what this node knows of its blocks, cannot be opened.
    pub fn migration<'s>(
        &'s mut self,
        name: &'static str,
        other: Side<'s>,
        is_back: bool,
    ) -> Result<Migration<'s>, Fault> {
        let own = self.on_disk()?;
        let side = Side { store: self.store()? as &mut dyn SharedStore, name };
        let (source, target) = if is_back { (other, side) } else { (side, other) };
        Ok(Migration { source, target, node_uids: None, own, new_rest: Map::new() })
    }
}

#[cfg(test)]
mod tests;
