//! Errors of the tasks.

use super::grid::Grid;
use super::membership_state::MembershipState;
use super::observation::Observation;
use super::record::Unreadable;
use super::shared_store::{StoreFault, Version};

#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ClusterError {
    #[error("cluster store: {0}")]
    Store(StoreFault),
    /// A fault of the store's driver.
    #[error("cluster store: its driver returned a reply of another kind than the call; report this as a bug")]
    UnexpectedReply,
    /// The store forgot writes that it had confirmed.
    #[error(
        "cluster store: its version is {now}, and this node saw {seen} before, so it was restored from an old backup or is \
         another store; this node keeps its blocks and claims no more until the store is restored with higher versions \
         (etcdutl snapshot restore --bump-revision … --mark-compacted)"
    )]
    Rewound { seen: u64, now: u64 },
    #[error("node {node} is not a member of the cluster: {}", state.reason())]
    NotMember { node: String, state: MembershipState },
    /// Its record says so, and it had not known.
    #[error(
        "node {node} lost its membership: another node took it over, or a second machine uses its name; it released its \
         blocks and joins again with new ones"
    )]
    Fenced { node: String },
    /// Also if a reply came too late to count.
    #[error("another process of node {node} changed its membership at the same time; try again")]
    Superseded { node: String },
    #[error(
        "cannot join as {node}: another machine ({machine}) has this name; choose another cluster.node, or, if that \
         machine is permanently gone, run ginghamctl cluster takeover {node}"
    )]
    NameTaken { node: String, machine: String },
    /// The record has another address and could be that of a clone, which may be alive.
    #[error("cannot join as {node} yet: this name is registered with the address {address}, which may still be alive")]
    Suspicious {
        node: String,
        address: String,
        /// What to compare with, see [`super::join::Join::having_watched`].
        observation: Box<Observation>,
    },
    #[error("cannot take over {node}: it is alive: its liveness record changes")]
    Alive { node: String },
    /// Only where every node has a sign of life.
    #[error(
        "cannot take over {node}: its sign of life (the kubelet's Lease) is missing, which does not prove that it is dead; \
         if its containers are certainly gone, run ginghamctl cluster takeover {node} --force"
    )]
    LifeUnknown { node: String },
    #[error("cannot take over {node}: it came back in the meantime; nothing was changed")]
    CameBack { node: String },
    #[error(
        "cannot take over {node}: it is silent, which does not prove that its containers are gone; if they are \
         certainly gone, run ginghamctl cluster takeover {node}"
    )]
    OnlySilent { node: String },
    #[error("cannot take over {node}: it is this node; to give up its blocks, run ginghamctl cluster leave")]
    OwnNode { node: String },
    #[error("the cluster has no member {node}")]
    NoSuchMember { node: String },
    #[error(
        "the cluster's range is {}, and the configuration of this node has {}; a network keeps its range and block size \
         permanently: correct the configuration, or use a network of another name",
        listed(theirs),
        listed(ours)
    )]
    OtherGrids { theirs: Vec<Grid>, ours: Vec<Grid> },
    #[error("cluster store: the record `config` with the range is missing; restore it, or run ginghamctl cluster join")]
    NoConfig,
    #[error("cluster store: its records have schema {schema}, and this version knows {known}; install a newer version")]
    NewerSchema { schema: u64, known: u64 },
    #[error(
        "the cluster has moved to the store {to}: set cluster.store to \"{to}\" on this node; until then it serves from the \
         blocks it holds"
    )]
    Moved { to: String },
    #[error(
        "the cluster is being moved here from the store {from}: wait until ginghamctl cluster migrate has ended; if it was interrupted, run it again"
    )]
    Moving { from: String },
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("other nodes or processes changed the same records first, several times; try again")]
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
