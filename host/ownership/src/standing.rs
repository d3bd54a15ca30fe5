//! Where a node stands in its cluster.

use serde::{Deserialize, Serialize};

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It never joined.
    New,
    /// It was a member before the machine started again.
    Rebooted,
    /// Its present incarnation is in the store; its blocks are being taken back.
    Joining,
    /// It is a member: it may hand out addresses.
    Member,
    /// It has left by itself. It joins again only when told to.
    Left,
    /// Its membership was ended by another.
    Fenced,
}

impl Standing {
    /// What to do about a node that is no member, to be said after a colon.
    pub fn why_out(self) -> &'static str {
        match self {
            Self::New => "it has not joined yet, which takes the cluster's store",
            Self::Rebooted => {
                "it has started again, and whether another took it over meanwhile is known only to the cluster's store"
            }
            Self::Joining => "it is about to join; try again",
            Self::Member => "it is one after all; try again",
            Self::Left => "it has left; run: ginghamctl cluster join",
            Self::Fenced => "it was taken over; it joins again as soon as the cluster's store answers",
        }
    }
}
