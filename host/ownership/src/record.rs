//! The records in a cluster's store: keys, and JSON values.
//!
//! Keys are relative to the network. Unknown fields are kept when a record is written again, so that an older version
//! of this program loses nothing a newer one has written.
//!
//! | key                                   | value            | written by                                |
//! |---------------------------------------|------------------|-------------------------------------------|
//! | `config`                              | [`ConfigRecord`] | the first member                          |
//! | `members/NAME`                        | [`MemberRecord`] | that node; who takes it over              |
//! | `life/NAME`                           | [`LifeRecord`]   | that node's agent, every few seconds  |
//! | `blocks/10.32.0.0-24`, `blocks/fd00::-112` | [`BlockRecord`] | who claims the block                  |

use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::grid::Grid;
use super::shared_store::Version;

/// The key of [`ConfigRecord`].
pub const CONFIG: &str = "config";
pub const SCHEMA: u64 = 1;
/// That of a config which nothing may be claimed by, so that versions which know no moves do not.
pub const SCHEMA_OF_A_MOVE: u64 = 2;
const MEMBERS: &str = "members/";
const LIFE: &str = "life/";
const BLOCKS: &str = "blocks/";

/// What all members have to agree on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigRecord {
    /// [`SCHEMA`] of who wrote it, or [`SCHEMA_OF_A_MOVE`].
    pub schema: u64,
    /// The policy's grids, in the order of its pools.
    pub grids: Vec<Grid>,
    #[serde(default)]
    pub policy: String,
    /// The cluster has moved to a store of this kind: nothing is claimed here any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
    /// The cluster is being moved here from a store of this kind: nothing is claimed here yet. With `moved_to`: that was
    /// given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving_from: Option<String>,
    /// Counts how often a store of the cluster was closed for a move. Only grows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub epoch: u64,
    /// What a later version has written.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl ConfigRecord {
    pub fn new(grids: Vec<Grid>, policy: &str) -> Self {
        let policy = policy.to_owned();
        Self { schema: SCHEMA, grids, policy, moved_to: None, moving_from: None, epoch: 0, rest: Map::new() }
    }

    /// Whether nothing may be claimed by it.
    pub fn is_closed(&self) -> bool {
        self.moved_to.is_some() || self.moving_from.is_some()
    }

    /// Whether a move that found the other store in this epoch has reserved it.
    pub fn is_reserved_in(&self, epoch: u64) -> bool {
        self.moving_from.is_some() && self.moved_to.is_none() && self.epoch == epoch
    }

    /// With what another config has beside what members agree on.
    #[must_use]
    pub fn with_rest_of(self, other: &Self) -> Self {
        Self { rest: other.rest.clone(), ..self }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "for serde")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Membership {
    Member,
    /// It has left by itself.
    Left,
    /// It was gone and another node gave up its blocks for it.
    Taken,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemberRecord {
    /// Which machine it is: its machine id, and the firmware's product id if that can be read.
    pub machine: String,
    /// A random id, made with the node's local store.
    pub disk: String,
    pub boot: String,
    /// Counts boots, and returns after a membership was ended. Only grows.
    pub incarnation: u64,
    /// Blocks of incarnations up to this one are free for anyone to claim. Only grows.
    #[serde(default)]
    pub fenced: u64,
    /// For people, and for whether its name is free. Whether its blocks are free is in `fenced`.
    pub membership: Membership,
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// The hardware address of its tunnel device.
    #[serde(default)]
    pub mac: Option<String>,
    /// In Kubernetes: the uid of its Node object. A Node that was created again under the same name has another one.
    #[serde(default, rename = "nodeUID", skip_serializing_if = "Option::is_none")]
    pub node_uid: Option<String>,
    /// Claims by members that listed the network in an epoch of [`ConfigRecord`] before this one do not count. Only grows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub closed: u64,
    /// Another one whenever the node was out of touch and confirms that it is this member: a takeover that was under way
    /// meanwhile meets another record than the one it observed (rule R12). Only grows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub confirmed: u64,
    /// When this incarnation began: milliseconds since the epoch, by the node's own clock. For people.
    #[serde(default)]
    pub since: u64,
    /// What a later version has written.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl MemberRecord {
    /// Whether its present incarnation can hold blocks.
    pub fn is_alive(&self) -> bool {
        self.incarnation > self.fenced
    }

    #[must_use]
    pub fn confirmed_again(&self) -> Self {
        Self { confirmed: self.confirmed.saturating_add(1), membership: Membership::Member, ..self.clone() }
    }

    /// The same, with its membership ended.
    #[must_use]
    pub fn ended(&self, membership: Membership) -> Self {
        Self { fenced: self.fenced.max(self.incarnation), membership, ..self.clone() }
    }
}

/// A sign of life: a change of it proves that the node runs. No clocks are compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LifeRecord {
    /// The member's.
    pub incarnation: u64,
    /// Another one each time.
    pub beat: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlockRecord {
    /// The member's name.
    pub owner: String,
    /// The member's incarnation that claimed it.
    pub incarnation: u64,
    /// The member that wrote the claim: the owner, unless the record was edited by hand. Earlier versions write none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimant: Option<String>,
    /// What a later version has written.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl BlockRecord {
    pub fn new(owner: &str, incarnation: u64) -> Self {
        Self { owner: owner.to_owned(), incarnation, claimant: Some(owner.to_owned()), rest: Map::new() }
    }

    /// Whether it is a claim of this member in this incarnation.
    pub fn is_of(&self, owner: &str, incarnation: u64) -> bool {
        self.owner == owner && self.incarnation == incarnation && !self.is_edited()
    }

    /// Whether its owner is another than the member that claimed it: no node gives addresses of it.
    pub fn is_edited(&self) -> bool {
        self.claimant.as_ref().is_some_and(|claimant| *claimant != self.owner)
    }
}

/// The key of [`MemberRecord`].
pub fn member_key(name: &str) -> String {
    format!("{MEMBERS}{name}")
}

/// The key of [`LifeRecord`].
pub fn life_key(name: &str) -> String {
    format!("{LIFE}{name}")
}

/// The key of [`BlockRecord`]: no `/` in it, so that a store whose names cannot hold one can use it.
pub fn block_key(block: IpNet) -> String {
    format!("{BLOCKS}{}-{}", block.addr(), block.prefix_len())
}

/// What a key names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key<'k> {
    Config,
    Member(&'k str),
    Life(&'k str),
    Block(IpNet),
    /// A later version's.
    Other,
}

impl<'k> Key<'k> {
    pub fn read(key: &'k str) -> Self {
        if key == CONFIG {
            return Self::Config;
        }
        if let Some(name) = key.strip_prefix(MEMBERS) {
            return Self::Member(name);
        }
        if let Some(name) = key.strip_prefix(LIFE) {
            return Self::Life(name);
        }
        key.strip_prefix(BLOCKS).and_then(read_block).map_or(Self::Other, Self::Block)
    }
}

fn read_block(text: &str) -> Option<IpNet> {
    let (address, length) = text.rsplit_once('-')?;
    let block = IpNet::new(address.parse().ok()?, length.parse().ok()?).ok()?;
    (block == block.trunc()).then_some(block)
}

/// A record, and when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seen<T> {
    pub record: T,
    pub version: Version,
}

/// A record that is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("cannot read the record {key} of the cluster store: {reason}")]
pub struct Unreadable {
    pub key: String,
    pub reason: String,
}

/// Reads a record's value.
///
/// # Errors
/// [`Unreadable`] names the key.
pub fn read<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(value).map_err(|error| Unreadable { key: key.to_owned(), reason: error.to_string() })
}

pub fn write<T: Serialize>(record: &T) -> Vec<u8> {
    // Maps with texts as keys, numbers and texts: serde_json has no way to fail on them.
    serde_json::to_vec(record).unwrap_or_default()
}
