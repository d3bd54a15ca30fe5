//! What the kernel refuses when it is asked about nftables, and what that says of the kernel.

use std::fmt;

use rustix::io::Errno;

use crate::netlink::{ErrorKind, NetlinkError};

/// What the kernel refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The socket.
    Open,
    /// A question.
    Read,
    /// The transaction, for its rulesets are no longer those of the given generation.
    Generation,
    /// The transaction as a whole.
    Transaction,
    /// The table's creation.
    AddTable,
    /// The table's removal.
    DeleteTable,
    /// The base chain's creation.
    AddChain,
    /// A chain's removal.
    DeleteChain,
    /// A set's creation.
    AddSet,
    /// Adding elements to a set.
    AddElements,
    /// Removing elements from a set.
    DeleteElements,
    /// A rule's creation.
    AddRule,
    /// A rule's removal.
    DeleteRule,
}

/// A refusal by the kernel; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Of what.
    pub(crate) step: Step,
    /// In the kernel's words.
    pub(crate) error: NetlinkError,
}

impl Refusal {
    /// What the kernel refused to do; reads after "refused to". `add_chain` is that for the table's own chain.
    pub(crate) fn tried(&self, add_chain: &'static str) -> &'static str {
        match self.step {
            Step::Open => "open a netlink socket",
            Step::Read => "show nftables rules",
            Step::Generation | Step::Transaction => "change nftables",
            Step::AddTable => "add the nftables table",
            Step::DeleteTable => "delete the nftables table",
            Step::AddChain => add_chain,
            Step::DeleteChain => "delete a chain of the nftables table",
            Step::AddSet => "add a set to the nftables table",
            Step::AddElements => "add addresses to a set of the nftables table",
            Step::DeleteElements => "delete addresses from a set of the nftables table",
            Step::AddRule => "add a rule to the nftables table",
            Step::DeleteRule => "delete a rule of the nftables table",
        }
    }

    /// What to do about it: empty or with its own punctuation. `make_room` is that where another chain is in the place of
    /// the table's own.
    pub(crate) fn hint(&self, make_room: &'static str) -> &'static str {
        match (self.step, self.error.kind) {
            (_, ErrorKind::NotPermitted) => "; it takes CAP_NET_ADMIN in the network namespace, so run it as root",
            (Step::AddChain, ErrorKind::AlreadyExists | ErrorKind::Busy | ErrorKind::Unsupported) => make_room,
            _ => "",
        }
    }
}

/// A part of the kernel that is needed here and that a kernel can be built without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelPart {
    /// The way to talk to netfilter.
    Nfnetlink,
    /// nftables itself.
    NfTables,
    /// Tables that see IPv4 and IPv6.
    InetFamily,
    /// Tables that see what bridges forward.
    BridgeFamily,
    /// Chains that translate addresses.
    NatChain,
    /// The masquerade statement.
    Masquerade,
}

impl KernelPart {
    /// The module's name.
    pub fn module(self) -> &'static str {
        match self {
            Self::Nfnetlink => "nfnetlink",
            Self::NfTables | Self::InetFamily | Self::BridgeFamily => "nf_tables",
            Self::NatChain => "nft_chain_nat",
            Self::Masquerade => "nft_masq",
        }
    }

    /// The option of the kernel's configuration.
    pub fn option(self) -> &'static str {
        match self {
            Self::Nfnetlink => "CONFIG_NETFILTER_NETLINK",
            Self::NfTables => "CONFIG_NF_TABLES",
            Self::InetFamily => "CONFIG_NF_TABLES_INET",
            Self::BridgeFamily => "CONFIG_NF_TABLES_BRIDGE",
            Self::NatChain => "CONFIG_NFT_NAT",
            Self::Masquerade => "CONFIG_NFT_MASQ",
        }
    }

    /// Which part that every use of nftables needs a refusal shows to be missing, if any. The kernel tries to load the
    /// module itself before it refuses.
    pub(crate) fn missed_by(refusal: &Refusal) -> Option<Self> {
        match (refusal.step, refusal.error.errno?) {
            (Step::Open, Errno::PROTONOSUPPORT) => Some(Self::Nfnetlink),
            // A question to a subsystem that is not there is "invalid", a transaction is "not supported".
            (Step::Read, Errno::INVAL | Errno::OPNOTSUPP) | (Step::Transaction, Errno::OPNOTSUPP) => {
                Some(Self::NfTables)
            }
            _ => None,
        }
    }
}

impl fmt::Display for KernelPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nfnetlink => "netfilter's netlink interface",
            Self::NfTables => "nftables",
            Self::InetFamily => "nftables for IPv4 and IPv6 together (family inet)",
            Self::BridgeFamily => "nftables for bridges",
            Self::NatChain => "address translation in nftables of family inet",
            Self::Masquerade => "masquerade in nftables",
        })
    }
}
