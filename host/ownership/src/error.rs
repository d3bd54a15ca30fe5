//! Why a task did not do what it was for.

use super::grid::Grid;
use super::record::Unreadable;
use super::shared_store::{StoreFault, Version};
use super::sighting::Sighting;
use super::standing::Standing;

/// Why a task did not do what it was for. The texts are whole sentences without a full stop.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ClusterError {
    /// The store did not answer, or not as it should.
    #[error("the cluster's store: {0}")]
    Store(StoreFault),
    /// The store answered with something that is no answer to the call.
    #[error("the cluster's store gave an answer that does not belong to the question; this is a fault of its driver")]
    Nonsense,
    /// The store forgot writes that it had confirmed.
    #[error(
        "the cluster's store is at version {now}, but was at {seen} before: it was restored from an old backup or is \
         another one. This node keeps what it has and takes no more. Restore the store so that its versions go on \
         (etcdutl snapshot restore --bump-revision … --mark-compacted)"
    )]
    Rewound {
        /// The latest version this node has seen.
        seen: u64,
        /// What the store says now.
        now: u64,
    },
    /// This node has not joined, or not since it started, or is out.
    #[error("node {node} is no member of the cluster now: {}", standing.why_out())]
    NotMember {
        /// The node.
        node: String,
        /// What it is instead.
        standing: Standing,
    },
    /// This node's membership was ended while it thought itself a member.
    #[error(
        "node {node} was taken over by another, or its name is used by a second machine: it has let go of its blocks \
         and joins again with new ones"
    )]
    Fenced {
        /// The node.
        node: String,
    },
    /// Another process of this node was faster, or a reply came too late to count.
    #[error("another process of node {node} changed its membership meanwhile; try again")]
    Superseded {
        /// The node.
        node: String,
    },
    /// The name belongs to another machine.
    #[error(
        "the name {node} is registered by another machine ({machine}): choose another cluster.node, or, if that machine \
         is gone for good, run: ginghamctl cluster takeover {node}"
    )]
    NameTaken {
        /// The name.
        node: String,
        /// The other machine's id.
        machine: String,
    },
    /// The record has another address and could be a clone's: see whether it lives, then join again.
    #[error("node {node} is registered with the address {address}; it has to be seen first whether that one is alive")]
    Suspicious {
        /// The name.
        node: String,
        /// The registered address.
        address: String,
        /// What to compare with, see [`super::join::Join::having_watched`].
        sighting: Box<Sighting>,
    },
    /// The node shows life.
    #[error("node {node} is alive: its sign of life changes")]
    Alive {
        /// The node.
        node: String,
    },
    /// The node came back after it was seen dead.
    #[error("node {node} came back in the meantime; nothing was changed")]
    CameBack {
        /// The node.
        node: String,
    },
    /// Silence alone is no evidence.
    #[error(
        "node {node} is silent, which does not mean that its containers are gone; a person has to order a takeover"
    )]
    OnlySilent {
        /// The node.
        node: String,
    },
    /// One cannot take over oneself.
    #[error("{node} is this node; to give up its blocks, run: ginghamctl cluster leave")]
    Oneself {
        /// The node.
        node: String,
    },
    /// There is no such member.
    #[error("the cluster has no member {node}")]
    NoSuchMember {
        /// The name.
        node: String,
    },
    /// The cluster's blocks are others.
    #[error(
        "the cluster's range is {}, and this node's configuration says {}: a network keeps its range and its blocks for \
         ever; correct the configuration, or use a network of another name",
        listed(theirs),
        listed(ours)
    )]
    OtherGrids {
        /// What the store says.
        theirs: Vec<Grid>,
        /// What the configuration says.
        ours: Vec<Grid>,
    },
    /// The cluster was never set up, or its record is gone.
    #[error("the cluster's store has no record of this network's range: join first, or restore the record `config`")]
    NoConfig,
    /// A record of a later version of this program.
    #[error("the cluster's records are of schema {schema}, and this version knows {known}: install a newer one")]
    NewerSchema {
        /// Of the record.
        schema: u64,
        /// The latest one known here.
        known: u64,
    },
    /// A record that is none.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Others were faster, again and again.
    #[error("other nodes were faster at every block that was tried; try again")]
    Contended,
}

impl ClusterError {
    pub(super) fn rewound(seen: Version, now: Version) -> Self {
        Self::Rewound { seen: seen.0, now: now.0 }
    }
}

impl From<StoreFault> for ClusterError {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault)
    }
}

fn listed(grids: &[Grid]) -> String {
    let texts: Vec<String> = grids.iter().map(ToString::to_string).collect();
    if texts.is_empty() { "without blocks".into() } else { texts.join(" and ") }
}
