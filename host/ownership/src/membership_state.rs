//! What a node is in its cluster, by its own local state.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MembershipState {
    New,
    /// It was a member before the machine started again.
    Rebooted,
    /// Its present incarnation is in the store; its blocks are being taken back.
    Joining,
    /// It is a member: it may hand out addresses.
    Member,
    /// It has left by itself. It joins again only on an operator's order.
    Left,
    /// Its membership was ended by another.
    Fenced,
}

impl MembershipState {
    /// Why a node is not a member, and what to do: the second half of a message.
    pub fn reason(self) -> &'static str {
        match self {
            Self::New => "it has not joined yet; it joins when the cluster store answers",
            Self::Rebooted => {
                "it was restarted, and only the cluster store knows whether another node took it over; it joins when the \
                 store answers"
            }
            Self::Joining => "it is joining; try again",
            Self::Member => "it became one in the meantime; try again",
            Self::Left => "it has left; run ginghamctl cluster join",
            Self::Fenced => "it was taken over; it joins again when the cluster store answers",
        }
    }
}
