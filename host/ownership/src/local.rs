//! What a node knows for itself of its membership and its blocks, durably: one JSON value per network, committed
//! together with the network's leases, carried over a reboot.

mod blocks;
mod confirmation;

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::error::ClusterError;
use super::grid::Grid;
use super::record::MemberRecord;
use super::shared_store::Version;

pub use super::membership_state::MembershipState;
pub use blocks::{BlockState, LocalBlock};
pub use confirmation::CONFIRMED_FOR;

/// A node's durable knowledge. Made by [`LocalState::new`], read by [`LocalState::read`], changed by tasks alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LocalState {
    node: String,
    machine: String,
    disk: String,
    boot: String,
    incarnation: u64,
    membership: MembershipState,
    grids: Vec<Grid>,
    #[serde(with = "blocks::as_list")]
    blocks: BTreeMap<IpNet, LocalBlock>,
    /// Blocks that are not listed had no version above this one while this node knew of them.
    #[serde(default)]
    floor: Version,
    /// The latest version of the store that was seen.
    #[serde(default)]
    highest: Version,
    /// Records of this boot's incarnations up to this one are left alone: their leases were lost with the disk, while
    /// their containers may run.
    #[serde(default)]
    orphaned: u64,
    /// The kind of store that all versions are of; empty for etcd and directories.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    store: String,
    /// Until when new addresses are given without another look at the store: see [`Self::is_confirmed`].
    #[serde(default, skip_serializing_if = "is_zero")]
    confirmed_until: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How far the store's version may move before it is worth a write to the local disk by itself.
const WORTH_A_WRITE: u64 = 256;

impl LocalState {
    /// The state of a node that knows nothing. `disk` is random: another local store has another one.
    pub fn new(node: &str, disk: &str) -> Self {
        Self {
            node: node.to_owned(),
            machine: String::new(),
            disk: disk.to_owned(),
            boot: String::new(),
            incarnation: 0,
            membership: MembershipState::New,
            grids: Vec::new(),
            blocks: BTreeMap::new(),
            floor: Version(0),
            highest: Version(0),
            orphaned: 0,
            store: String::new(),
            confirmed_until: 0,
        }
    }

    /// Of a store of this kind: empty for etcd and directories.
    #[must_use]
    pub fn of_store(self, kind: &str) -> Self {
        Self { store: kind.to_owned(), ..self }
    }

    /// The kind of store that its versions are of.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// The same after its cluster's records were moved to another store, whose versions are others: nothing is held until
    /// [`super::join`] has taken it back there, in another incarnation. So it writes each record again, and whatever is on
    /// its way to the store from an interrupted move does nothing.
    #[must_use]
    pub fn of_moved_cluster(mut self, kind: &str) -> Self {
        blocks::make_unsure(&mut self.blocks);
        self.blocks.values_mut().for_each(|block| block.version = Version(0));
        (self.floor, self.highest) = (Version(0), Version(0));
        if self.membership != MembershipState::Left {
            self.membership = MembershipState::Fenced;
        }
        self.of_store(kind)
    }

    /// Reads what [`Self::to_bytes`] has written. `boot` is the machine's present boot id: in another boot a node is no
    /// member until it has joined again, whatever it was before (rule R5).
    pub fn read(bytes: &[u8], boot: &str) -> Result<Self, ClusterError> {
        Ok(super::record::read::<Self>("(of this node)", bytes)?.in_boot(boot))
    }

    /// The same, in a boot of the machine: see [`Self::read`].
    #[must_use]
    pub fn in_boot(mut self, boot: &str) -> Self {
        let has_joined =
            matches!(self.membership, MembershipState::Member | MembershipState::Joining | MembershipState::Fenced);
        if self.boot != boot && has_joined {
            self.membership = MembershipState::Rebooted;
        }
        self
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        super::record::write(self)
    }

    /// The node's name in the cluster.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The machine it joined as.
    pub fn machine(&self) -> &str {
        &self.machine
    }

    /// The random id of the local store.
    pub fn disk(&self) -> &str {
        &self.disk
    }

    /// The boot it joined in.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    pub fn membership(&self) -> MembershipState {
        self.membership
    }

    /// Whether [`super::join`] is due without an order.
    pub fn wants_to_join(&self) -> bool {
        matches!(
            self.membership,
            MembershipState::New | MembershipState::Rebooted | MembershipState::Joining | MembershipState::Fenced
        )
    }

    /// The cluster's grids, as they were when the node joined.
    pub fn grids(&self) -> &[Grid] {
        &self.grids
    }

    /// The latest version of the store that was seen.
    pub fn highest(&self) -> Version {
        self.highest
    }

    /// The incarnation in which this node is a member.
    pub(super) fn require_member(&self) -> Result<u64, ClusterError> {
        match self.membership {
            MembershipState::Member => Ok(self.incarnation),
            MembershipState::Fenced => Err(ClusterError::Fenced { node: self.node.clone() }),
            state => Err(ClusterError::NotMember { node: self.node.clone(), state }),
        }
    }

    /// Whether it still is one in the incarnation in which a task began. Checked at every step: the reply may be old.
    pub(super) fn require_still_member(&self, incarnation: u64) -> Result<(), ClusterError> {
        if self.require_member()? == incarnation {
            return Ok(());
        }
        Err(ClusterError::Superseded { node: self.node.clone() })
    }

    /// Whether this incarnation is still the present one and not over. Checked while joining.
    pub(super) fn require_still_current(&self, incarnation: u64) -> Result<(), ClusterError> {
        if self.membership == MembershipState::Joining && self.incarnation == incarnation {
            return Ok(());
        }
        self.require_still_member(incarnation)
    }

    /// Compares the node's own record in the store with what it takes itself for. If its membership is over, it gives up
    /// all blocks.
    pub(super) fn check_own_record(&mut self, record: Option<&MemberRecord>) -> Result<(), ClusterError> {
        match record {
            Some(record) if record.incarnation < self.incarnation => {
                // Older than what the store had confirmed before the call left.
                Err(ClusterError::Superseded { node: self.node.clone() })
            }
            Some(record) if record.incarnation == self.incarnation && record.is_alive() => Ok(()),
            _ => {
                self.end_membership(MembershipState::Fenced);
                Err(ClusterError::Fenced { node: self.node.clone() })
            }
        }
    }

    /// Ends the membership on this side.
    pub(super) fn end_membership(&mut self, membership: MembershipState) {
        self.membership = membership;
        self.blocks.clear();
        // Nothing is known of single blocks any more; what was known is not above this.
        self.floor = self.highest;
    }

    /// Begins an incarnation that the store has confirmed. What was held before is unsure until it is taken back.
    pub(super) fn begin(&mut self, incarnation: u64, machine: &str, boot: &str) -> Result<(), ClusterError> {
        let is_over = matches!(self.membership, MembershipState::Left | MembershipState::Fenced);
        if incarnation < self.incarnation || (incarnation == self.incarnation && is_over) {
            return Err(ClusterError::Superseded { node: self.node.clone() });
        }
        let has_begun = matches!(self.membership, MembershipState::Joining | MembershipState::Member);
        if incarnation > self.incarnation || !has_begun {
            blocks::make_unsure(&mut self.blocks);
            self.membership = MembershipState::Joining;
        }
        if self.boot != boot {
            self.orphaned = 0;
        }
        self.incarnation = incarnation;
        machine.clone_into(&mut self.machine);
        boot.clone_into(&mut self.boot);
        Ok(())
    }

    /// Ends the joining that [`Self::begin`] began.
    pub(super) fn become_member(&mut self, incarnation: u64, grids: &[Grid]) -> Result<(), ClusterError> {
        if self.incarnation != incarnation {
            return Err(ClusterError::Superseded { node: self.node.clone() });
        }
        if self.membership == MembershipState::Joining {
            self.membership = MembershipState::Member;
            self.blocks.retain(|_, block| !matches!(block.state, BlockState::Unsure { .. }));
        }
        grids.clone_into(&mut self.grids);
        self.require_member().map(drop)
    }

    /// Leaves records of this boot up to an incarnation alone.
    pub(super) fn mark_orphaned(&mut self, incarnation: u64) {
        self.orphaned = self.orphaned.max(incarnation);
    }

    /// Whether blocks of this incarnation are left alone.
    pub(super) fn is_orphaned(&self, incarnation: u64) -> bool {
        incarnation <= self.orphaned
    }

    /// Notes a version of the store which the store had before it answered; `version_before` is [`Self::highest`] of when the
    /// question left.
    pub(super) fn note_version(&mut self, version_before: Version, now_at: Version) -> Result<(), ClusterError> {
        if now_at < version_before {
            return Err(ClusterError::rewound(version_before, now_at));
        }
        if now_at.0 >= self.highest.0 + WORTH_A_WRITE {
            self.highest = now_at;
        }
        Ok(())
    }

    /// Notes the version of a write of ours, which is a new one.
    pub(super) fn note_written(&mut self, version_before: Version, written: Version) -> Result<(), ClusterError> {
        if written <= version_before {
            return Err(ClusterError::rewound(version_before, written));
        }
        self.highest = self.highest.max(written);
        Ok(())
    }
}
