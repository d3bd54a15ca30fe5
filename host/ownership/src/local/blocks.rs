//! A node's blocks as it knows them: which it may serve from, and which versions it has seen of those it may not.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::LocalState;
use crate::address::IpRange;
use crate::shared_store::Version;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum BlockState {
    /// Hand out its addresses.
    Held {
        /// Not before then, unless nothing else is free: another node used them. Milliseconds since the epoch.
        #[serde(default)]
        cooling_until: u64,
    },
    /// Nothing: it was held in an earlier incarnation and has not been taken back yet.
    Unsure {
        /// As in `Held`.
        #[serde(default)]
        cooling_until: u64,
    },
    /// Nothing: it is being given back.
    Releasing,
    /// Nothing: it was given back.
    Released,
}

/// A block, and the last version of its record that this node has known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LocalBlock {
    pub block: IpNet,
    /// Of its record in the store.
    pub version: Version,
    pub state: BlockState,
}

/// So many blocks that were given back are remembered one by one; the others in one version for all.
const REMEMBERED: usize = 32;

impl LocalState {
    /// All blocks, in address order.
    pub fn blocks(&self) -> impl Iterator<Item = &LocalBlock> {
        self.blocks.values()
    }

    /// The blocks whose addresses this node may hand out, in address order. None unless it is a member.
    pub fn held(&self) -> impl Iterator<Item = IpNet> {
        self.held_with_rest().map(|(block, _)| block)
    }

    /// The same without those that cool: they are for when nothing else is free.
    pub fn held_cooled(&self, now: u64) -> impl Iterator<Item = IpNet> {
        self.held_with_rest().filter(move |(_, cooling_until)| *cooling_until <= now).map(|(block, _)| block)
    }

    fn held_with_rest(&self) -> impl Iterator<Item = (IpNet, u64)> {
        let is_member = self.require_member().is_ok();
        self.blocks.values().filter(move |_| is_member).filter_map(|block| match block.state {
            BlockState::Held { cooling_until } => Some((block.block, cooling_until)),
            _ => None,
        })
    }

    pub fn holds(&self, block: IpNet) -> bool {
        self.held().any(|held| held == block)
    }

    /// The held blocks as address ranges.
    pub fn ranges(&self) -> Vec<IpRange> {
        self.held().map(IpRange::from).collect()
    }

    /// The blocks that are being given back, with the version that is to be deleted.
    pub fn releasing(&self) -> Vec<(IpNet, Version)> {
        let releasing = self.blocks.values().filter(|block| block.state == BlockState::Releasing);
        releasing.map(|block| (block.block, block.version)).collect()
    }

    /// The blocks of an earlier incarnation that have not been taken back.
    pub(crate) fn unsure(&self) -> Vec<IpNet> {
        let unsure = self.blocks.values().filter(|block| matches!(block.state, BlockState::Unsure { .. }));
        unsure.map(|block| block.block).collect()
    }

    pub(crate) fn entry(&self, block: IpNet) -> Option<&LocalBlock> {
        self.blocks.get(&block)
    }

    /// No version of this block up to this one can be taken up (rule R4).
    pub(crate) fn known(&self, block: IpNet) -> Version {
        self.entry(block).map_or(self.floor, |block| block.version)
    }

    /// Takes up a block in a version of its record that is this node's. False if a version as late was known already.
    pub(crate) fn adopt(&mut self, block: IpNet, version: Version, cooling_until: u64) -> bool {
        if version <= self.known(block) {
            return false;
        }
        self.adopt_any(block, version, cooling_until);
        true
    }

    /// Takes up a block, however old its record is.
    pub(crate) fn adopt_any(&mut self, block: IpNet, version: Version, cooling_until: u64) {
        let cooled = match self.entry(block).map(|known| known.state) {
            Some(BlockState::Held { cooling_until } | BlockState::Unsure { cooling_until }) => cooling_until,
            _ => 0,
        };
        let state = BlockState::Held { cooling_until: cooling_until.max(cooled) };
        self.blocks.insert(block, LocalBlock { block, version, state });
        self.highest = self.highest.max(version);
    }

    /// Begins to give a held block back: from here on it is not served from. False if it is not held.
    pub(crate) fn begin_release(&mut self, block: IpNet) -> bool {
        match self.blocks.get_mut(&block) {
            Some(entry) if matches!(entry.state, BlockState::Held { .. }) => {
                entry.state = BlockState::Releasing;
                true
            }
            _ => false,
        }
    }

    /// Notes that this version of a block that was being given back is gone.
    pub(crate) fn end_release(&mut self, block: IpNet, version: Version) {
        if let Some(entry) = self.blocks.get_mut(&block)
            && entry.version == version
            && entry.state == BlockState::Releasing
        {
            entry.state = BlockState::Released;
            self.forget_the_oldest();
        }
    }

    /// Notes that the record of a block that is being given back was written to since: what is to be deleted is the later
    /// version, and none up to it is taken up. False if the block is not being given back in that version any more.
    pub(crate) fn follow_release(&mut self, block: IpNet, version: Version, later: Version) -> bool {
        match self.blocks.get_mut(&block) {
            Some(entry) if entry.version == version && entry.state == BlockState::Releasing && later > version => {
                entry.version = later;
                true
            }
            _ => false,
        }
    }

    /// Drops a held block that the store has not. What was known of its version stays known.
    pub(crate) fn lose(&mut self, block: IpNet) {
        if let Some(entry) = self.blocks.get_mut(&block) {
            entry.state = BlockState::Released;
        }
        self.forget_the_oldest();
    }

    fn forget_the_oldest(&mut self) {
        loop {
            let released = || self.blocks.values().filter(|block| block.state == BlockState::Released);
            if released().count() <= REMEMBERED {
                return;
            }
            let Some(oldest) = released().min_by_key(|block| block.version).copied() else { return };
            self.blocks.remove(&oldest.block);
            self.floor = self.floor.max(oldest.version);
        }
    }
}

/// What was held may have become another's while this node was not a member.
pub(super) fn make_unsure(blocks: &mut BTreeMap<IpNet, LocalBlock>) {
    blocks.retain(|_, block| block.state != BlockState::Released);
    for block in blocks.values_mut() {
        block.state = match block.state {
            BlockState::Held { cooling_until } | BlockState::Unsure { cooling_until } => {
                BlockState::Unsure { cooling_until }
            }
            BlockState::Releasing | BlockState::Released => BlockState::Unsure { cooling_until: 0 },
        };
    }
}

/// As a list in JSON: prefixes are no good keys.
pub(super) mod as_list {
    use std::collections::BTreeMap;

    use ipnet::IpNet;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::LocalBlock;

    pub(in super::super) fn serialize<S: Serializer>(
        blocks: &BTreeMap<IpNet, LocalBlock>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(blocks.values())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<IpNet, LocalBlock>, D::Error> {
        let blocks = Vec::<LocalBlock>::deserialize(deserializer)?;
        Ok(blocks.into_iter().map(|block| (block.block, block)).collect())
    }
}
