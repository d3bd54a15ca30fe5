//! All records of a cluster store, as they were at one moment.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::error::ClusterError;
use super::grid::{BlockMap, Grid};
use super::record::{self, BlockRecord, ConfigRecord, Key, LifeRecord, MemberRecord, Membership, Seen};
use super::shared_store::{Record, Version};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Snapshot {
    pub at: Version,
    /// What all agree on; none before the first member.
    pub config: Option<ConfigRecord>,
    /// All that ever were members, by name.
    pub members: BTreeMap<String, Seen<MemberRecord>>,
    /// Signs of life, by name.
    pub life: BTreeMap<String, Seen<LifeRecord>>,
    /// All block records, live and dead.
    pub blocks: BTreeMap<IpNet, Seen<BlockRecord>>,
    /// Keys of records that cannot be read, and keys that name nothing this version knows. Such a block counts as claimed,
    /// such a member as alive; the rest has no effect.
    pub unreadable: Vec<String>,
}

/// The owner of unreadable blocks in block maps. No node can have this name.
const UNKNOWN_OWNER: &str = "?";

impl Snapshot {
    /// Reads a list of all records.
    ///
    /// # Errors
    /// If the config record cannot be read or is of a later schema: then nothing can be relied on.
    pub fn read(records: &[(String, Record)], at: Version) -> Result<Self, ClusterError> {
        let mut snapshot = Self {
            at,
            config: None,
            members: BTreeMap::new(),
            life: BTreeMap::new(),
            blocks: BTreeMap::new(),
            unreadable: Vec::new(),
        };
        for (key, Record { value, version }) in records {
            let version = *version;
            let done = match Key::read(key) {
                Key::Config => {
                    snapshot.config = Some(read_config(value)?);
                    Ok(())
                }
                Key::Member(name) => record::read(key, value)
                    .map(|record| drop(snapshot.members.insert(name.to_owned(), Seen { record, version }))),
                Key::Block(block) => {
                    record::read(key, value).map(|record| drop(snapshot.blocks.insert(block, Seen { record, version })))
                }
                Key::Life(name) => {
                    // Only ever compared with a later one: whatever cannot be read is no sign of life.
                    record::read(key, value).map(|record| {
                        snapshot.life.insert(name.to_owned(), Seen { record, version });
                    })
                }
                Key::Other => {
                    snapshot.unreadable.push(key.clone());
                    Ok(())
                }
            };
            if done.is_err() {
                snapshot.unreadable.push(key.clone());
            }
        }
        Ok(snapshot)
    }

    /// That blocks may be claimed, and nodes may join.
    ///
    /// # Errors
    /// [`ClusterError::Moved`], [`ClusterError::Moving`]
    pub fn require_open(&self) -> Result<(), ClusterError> {
        let Some(config) = &self.config else { return Ok(()) };
        match (&config.moved_to, &config.moving_from) {
            (Some(to), _) => Err(ClusterError::Moved { to: to.clone() }),
            (None, Some(from)) => Err(ClusterError::Moving { from: from.clone() }),
            (None, None) => Ok(()),
        }
    }

    /// The epoch in which it was listed.
    pub fn epoch(&self) -> u64 {
        self.config.as_ref().map_or(0, |config| config.epoch)
    }

    /// Whether a block's record binds everybody: its owner's membership has not been ended since. An owner without a
    /// record of its own is taken to be alive.
    pub fn is_live(&self, block: &BlockRecord) -> bool {
        self.members.get(&block.owner).is_none_or(|member| block.incarnation > member.record.fenced)
    }

    /// The record that keeps a block from being claimed: its own, or one of a block that overlaps it.
    pub fn live_overlap(&self, block: IpNet) -> Option<(IpNet, &BlockRecord)> {
        self.overlapping(block).find(|(_, record)| self.is_live(record))
    }

    /// All records of blocks that have an address in common with this one.
    fn overlapping(&self, block: IpNet) -> impl Iterator<Item = (IpNet, &BlockRecord)> {
        // What holds the block, down to the block itself; then what lies in it.
        let holding = (0..=block.prefix_len()).filter_map(move |length| {
            let wider = IpNet::new(block.addr(), length).ok()?.trunc();
            self.blocks.get_key_value(&wider)
        });
        let inside = self.blocks.range(block..).take_while(move |(other, _)| other.addr() <= block.broadcast());
        let inside = inside.filter(move |(other, _)| **other != block && block.contains(*other));
        holding.chain(inside).map(|(block, seen)| (*block, &seen.record))
    }

    /// Whether a block's own record cannot be read.
    pub fn is_unreadable(&self, block: IpNet) -> bool {
        self.unreadable.contains(&record::block_key(block))
    }

    /// The live blocks and their owners.
    pub fn live_blocks(&self) -> impl Iterator<Item = (IpNet, &Seen<BlockRecord>)> {
        self.blocks.iter().filter(|(_, seen)| self.is_live(&seen.record)).map(|(block, seen)| (*block, seen))
    }

    /// Blocks whose records name this node, and another one beside it: their owner was edited by hand.
    pub fn edited(&self, node: &str) -> impl Iterator<Item = (IpNet, &BlockRecord)> {
        let names = move |record: &BlockRecord| record.owner == node || record.claimant.as_deref() == Some(node);
        let edited = self.live_blocks().filter(move |(_, seen)| seen.record.is_edited() && names(&seen.record));
        edited.map(|(block, seen)| (block, &seen.record))
    }

    /// The names of those that are members now.
    pub fn member_names(&self) -> impl Iterator<Item = &str> {
        let present = self.members.iter().filter(|(_, seen)| seen.record.membership == Membership::Member);
        present.map(|(name, _)| name.as_str())
    }

    /// What a policy sees.
    pub fn block_map(&self, me: &str, grids: &[Grid]) -> BlockMap {
        let mut block_map = BlockMap::new(me, self.member_names().map(str::to_owned), grids.to_vec());
        for (block, seen) in self.live_blocks() {
            block_map.claim(block, seen.record.owner.as_str());
        }
        for key in &self.unreadable {
            if let Key::Block(block) = Key::read(key) {
                block_map.claim(block, UNKNOWN_OWNER);
            }
        }
        block_map
    }
}

fn read_config(value: &[u8]) -> Result<ConfigRecord, ClusterError> {
    #[derive(serde::Deserialize)]
    struct Schema {
        schema: u64,
    }
    let schema = record::read::<Schema>(record::CONFIG, value)?.schema;
    if schema > record::SCHEMA_OF_A_MOVE {
        return Err(ClusterError::NewerSchema { schema, known: record::SCHEMA_OF_A_MOVE });
    }
    Ok(record::read(record::CONFIG, value)?)
}
