//! What operators do with a cluster: look at it, join, leave, take a dead node over.

use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use gingham_engine::address::IpRange;
use gingham_engine::attachment::Refusal;
use gingham_engine::ipam::IpamError;
use gingham_engine::ledger::{LedgerQueries, used_within};
use gingham_engine::runtime::LogLine;
use gingham_ownership::beat::{LEASE_WATCH, WATCH};
use gingham_ownership::error::ClusterError;
use gingham_ownership::join::Joined;
use gingham_ownership::leave::Leave;
use gingham_ownership::local::LocalState;
use gingham_ownership::record::Membership;
use gingham_ownership::shared_store::{Call, Reply};
use gingham_ownership::snapshot::Snapshot;
use gingham_ownership::sync::SyncError;
use gingham_ownership::takeover::{Observation, Observe, TakenOver, Takeover};
use ipnet::IpNet;

use crate::error::Fault;
use crate::free_addresses::free_of;
use crate::node_identity;
use crate::{Cluster, Policy};

#[derive(Debug, Clone)]
pub struct Status {
    pub node: String,
    /// What this node knows itself.
    pub local: LocalState,
    /// The members, by name; those that have left or were taken over too.
    pub members: Vec<MemberStatus>,
    /// How full this node's blocks are.
    pub usage: Usage,
    /// What is wrong with this node's membership.
    pub problem: Option<ClusterError>,
    pub records: Snapshot,
}

#[derive(Debug, Clone)]
pub struct MemberStatus {
    pub name: String,
    pub membership: Membership,
    pub address: Option<IpAddr>,
    /// The ranges meant for it; none for who is no member.
    pub share: Vec<IpRange>,
    /// Its live blocks.
    pub blocks: Vec<IpNet>,
}

/// Addresses in this node's blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub used: u64,
    /// Freed, and not handed out again yet.
    pub cooling: u64,
    /// Free, and such as the policy can give: what the next containers can have.
    pub free: u64,
}

impl Cluster<'_> {
    /// The cluster as the store and this node know it.
    pub fn status(&mut self, policy: &Policy<'_>, deadline: Instant, log: &mut Vec<LogLine>) -> Result<Status, Fault> {
        let (records, problem) = match self.sync(deadline)? {
            Ok(synced) => (synced.snapshot, None),
            Err(SyncError { error, snapshot: Some(snapshot) }) => (snapshot, Some(error)),
            Err(SyncError { error, snapshot: None }) => return Err(error.into()),
        };
        let names: Vec<String> = records.member_names().map(str::to_owned).collect();
        let mut members = Vec::with_capacity(records.members.len());
        for (name, seen) in &records.members {
            let is_member = seen.record.membership == Membership::Member;
            members.push(MemberStatus {
                name: name.clone(),
                membership: seen.record.membership,
                address: seen.record.address,
                share: if is_member { policy.share(&names, name, log)? } else { Vec::new() },
                blocks: Vec::new(),
            });
        }
        for (block, seen) in records.live_blocks() {
            if let Ok(at) = members.binary_search_by(|member| member.name.as_str().cmp(&seen.record.owner)) {
                members[at].blocks.push(block);
            }
        }
        let (local, usage) = self.known(policy)?;
        Ok(Status { node: self.node.clone(), local, members, usage, problem, records })
    }

    /// What this node knows without a network call: its membership, its blocks and how full they are.
    pub fn known(&self, policy: &Policy<'_>) -> Result<(LocalState, Usage), Fault> {
        let ledger = self.ledger()?;
        let local = self.local(&ledger)?;
        let usage = self.usage(policy, &local, &ledger)?;
        Ok((local, usage))
    }

    /// Whether the policy finds a block that this node could claim on each grid, by the store's present records. Claims
    /// nothing, and needs no membership.
    ///
    /// # Errors
    /// [`Fault`] if the store or the policy fails.
    pub fn has_unclaimed(
        &mut self,
        policy: &Policy<'_>,
        deadline: Instant,
        log: &mut Vec<LogLine>,
    ) -> Result<bool, Fault> {
        let records = self.read_records(deadline)?;
        let block_map =
            Arc::new(records.block_map(&self.node, policy.grids()).excluding(self.settings.exclude.clone()));
        for grid in 0..policy.grids().len() {
            match policy.next_block(grid, &block_map, log) {
                Ok(_) => {}
                Err(IpamError::Refused { refusal: Refusal::Exhausted(_), .. }) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    pub(crate) fn read_records(&mut self, deadline: Instant) -> Result<Snapshot, Fault> {
        match self.carry_out(&Call::List { prefix: String::new() }, deadline)? {
            Reply::Listed { records, at } => Ok(Snapshot::read(&records, at)?),
            Reply::Unknown(fault) | Reply::Refused(fault) => Err(ClusterError::Store(fault).into()),
            _ => Err(ClusterError::UnexpectedReply.into()),
        }
    }

    fn usage<L: LedgerQueries>(&self, policy: &Policy<'_>, local: &LocalState, ledger: &L) -> Result<Usage, Fault> {
        let mut usage = Usage::default();
        for block in local.held() {
            let taken = u64::try_from(used_within(ledger, block.into())?).unwrap_or(u64::MAX);
            let cooling = ledger.cooling_count(block.into())?;
            usage.used = usage.used.saturating_add(taken.saturating_sub(cooling));
            usage.cooling = usage.cooling.saturating_add(cooling);
            let free = free_of(policy.pools(), ledger, block.into(), &self.settings.exclude)?;
            usage.free = usage.free.saturating_add(u64::try_from(free).unwrap_or(u64::MAX));
        }
        Ok(usage)
    }

    /// Joins by an operator's order, also after leaving. Where the name may be another machine's, it is watched for a sign of
    /// life first, which takes [`Self::watch_time`] beyond `patience`.
    pub fn join(&mut self, policy: &Policy<'_>, patience: Duration) -> Result<Joined, Fault> {
        self.follow_move(Instant::now() + patience)?;
        match self.join_now(policy, None, Instant::now() + patience) {
            Err(Fault::Protocol(ClusterError::Suspicious { observation, .. })) => {
                thread::sleep(self.watch_time());
                self.join_now(policy, Some(*observation), Instant::now() + patience)
            }
            joined => joined,
        }
    }

    /// Whether this node has what it needs to join: nothing is done.
    pub fn require_identity(&self) -> Result<(), Fault> {
        node_identity::require_identity(&self.keys, self.settings.routing)
    }

    /// Whether this node may leave: nothing is done.
    ///
    /// # Errors
    /// [`Fault::InUse`] while containers use addresses, unless forced.
    pub fn require_leave(&self, force: bool) -> Result<(), Fault> {
        refuse_in_use(self.network, &self.ledger()?, force)
    }

    /// Leaves: everything is given up here first, then in the store.
    ///
    /// # Errors
    /// [`Fault::InUse`] while containers use addresses, unless forced.
    pub fn leave(&mut self, force: bool, deadline: Instant) -> Result<(), Fault> {
        let network = self.network;
        let make = |_: &LocalState, ledger: &_| {
            refuse_in_use(network, ledger, force)?;
            Ok(Leave::new())
        };
        let (left, _) = self.drive_made(make, deadline)?;
        Ok(left?)
    }

    /// Ends the membership of a node that is gone, so that its blocks are free. Without `force` the node is watched for a
    /// sign of life first, which takes [`Self::watch_time`] beyond `patience`.
    ///
    /// # Errors
    /// [`Fault`]; [`ClusterError::Alive`] if the node shows life.
    pub fn takeover(&mut self, node: &str, force: bool, patience: Duration) -> Result<TakenOver, Fault> {
        // After a move it would change what is not read any more.
        self.read_records(Instant::now() + patience)?.require_open()?;
        let observation = self.observe(node, Instant::now() + patience)?;
        // Where each node has a Lease, one without is refused whatever comes (rule R10).
        if !force && (observation.life.is_some() || !self.has_leases()) {
            thread::sleep(self.watch_time());
        }
        let mut takeover = Takeover::ordered(observation, force);
        if self.has_leases() {
            takeover = takeover.expecting_life();
        }
        let (taken, _) = self.drive(takeover, Instant::now() + patience)?;
        Ok(taken?)
    }

    /// A member as it is now, to be compared with what it is later.
    pub fn observe(&mut self, node: &str, deadline: Instant) -> Result<Observation, Fault> {
        let (observation, _) = self.drive(Observe::node(node), deadline)?;
        Ok(observation?)
    }

    /// Ends the membership of a node that was deleted from the cluster, as it was observed some time ago.
    ///
    /// # Errors
    /// [`Fault`]; [`ClusterError::Alive`] if the node shows life.
    pub fn take_over_deleted(&mut self, observation: Observation, deadline: Instant) -> Result<TakenOver, Fault> {
        let (taken, _) = self.drive(Takeover::ordered(observation, false).of_a_deleted_node(), deadline)?;
        Ok(taken?)
    }

    /// How long a node is watched for a sign of life.
    pub fn watch_time(&self) -> Duration {
        Duration::from_millis(if self.has_leases() { LEASE_WATCH } else { WATCH })
    }
}

fn refuse_in_use<L: LedgerQueries>(network: &str, ledger: &L, force: bool) -> Result<(), Fault> {
    match attachments(ledger)? {
        count if count > 0 && !force => {
            let all = ledger.attachments()?;
            let owners = all.iter().filter_map(|(key, _)| key.container_id.strip_prefix("owner/").map(str::to_owned));
            Err(Fault::InUse { network: network.to_owned(), count, owners: owners.collect() })
        }
        _ => Ok(()),
    }
}

/// Attachments of containers: what a node holds for itself is not among them.
fn attachments<L: LedgerQueries>(ledger: &L) -> Result<usize, Fault> {
    let all = ledger.attachments()?;
    Ok(all.iter().filter(|(key, _)| !key.is_nodes_own()).count())
}
