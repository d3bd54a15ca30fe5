//! What is said when a network cannot be masqueraded.

use std::fmt;

use rustix::io::Errno;

use crate::netlink::{ErrorKind, NetlinkError};
use crate::nftables::ruleset::{Refusal, Step};

/// Why a network's masquerade could not be seen to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MasqueradeError {
    /// A name too long to be part of a table's name.
    #[error(
        "cannot masquerade the network {network:?}: its name has {length} bytes, and an nftables table has room for \
         {longest}; choose a shorter name"
    )]
    NameTooLong {
        /// The network's name.
        network: String,
        /// Its length in bytes.
        length: usize,
        /// The most bytes it may have.
        longest: usize,
    },
    /// A name that is none by the CNI specification.
    #[error(
        "cannot masquerade the network {network:?}: a network's name begins with a letter or digit and holds only \
         letters, digits, '_', '.' and '-'"
    )]
    InvalidName {
        /// The network's name.
        network: String,
    },
    /// A part of the kernel is not there.
    #[error(
        "cannot {operation} the network {network:?}: this kernel lacks {part} ({}); load it with `modprobe {}`, or use \
         a kernel of 5.2 or later with {}",
        source.reason(), part.module(), part.option()
    )]
    KernelLacks {
        /// Reads after "cannot" and before "the network".
        operation: &'static str,
        /// The network's name.
        network: String,
        /// The part.
        part: KernelPart,
        /// What the kernel answered.
        source: NetlinkError,
    },
    /// The kernel refused.
    #[error("cannot {operation} the network {network:?}: the kernel refused to {tried}: {}{hint}", source.reason())]
    Refused {
        /// Reads after "cannot" and before "the network".
        operation: &'static str,
        /// The network's name.
        network: String,
        /// What the kernel refused to do.
        tried: &'static str,
        /// What to do about it: empty or with its own punctuation.
        hint: &'static str,
        /// What the kernel answered.
        source: NetlinkError,
    },
    /// Others changed nftables rulesets again and again in the moment between reading and writing.
    #[error(
        "cannot masquerade the network {network:?}: others changed nftables rulesets during each of {attempts} attempts; \
         see `nft monitor` for who it is, and try again"
    )]
    RulesetsChanging {
        /// The network's name.
        network: String,
        /// How often it was tried.
        attempts: usize,
    },
}

/// A part of the kernel that masquerade needs and that a kernel can be built without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelPart {
    /// The way to talk to netfilter.
    Nfnetlink,
    /// nftables itself.
    NfTables,
    /// Tables that see IPv4 and IPv6.
    InetFamily,
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
            Self::NfTables | Self::InetFamily => "nf_tables",
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
            Self::NatChain => "CONFIG_NFT_NAT",
            Self::Masquerade => "CONFIG_NFT_MASQ",
        }
    }

    /// Which part a refusal shows to be missing, if any. The kernel tries to load the module itself before it refuses.
    pub(super) fn missed_by(refusal: &Refusal) -> Option<Self> {
        match (refusal.step, refusal.error.errno?) {
            (Step::Open, Errno::PROTONOSUPPORT) => Some(Self::Nfnetlink),
            // A question to a subsystem that is not there is "invalid", a transaction is "not supported".
            (Step::Read, Errno::INVAL | Errno::OPNOTSUPP) | (Step::Transaction, Errno::OPNOTSUPP) => {
                Some(Self::NfTables)
            }
            (Step::AddTable, Errno::AFNOSUPPORT | Errno::OPNOTSUPP) => Some(Self::InetFamily),
            (Step::AddChain, Errno::NOENT) => Some(Self::NatChain),
            (Step::AddRule, Errno::NOENT | Errno::OPNOTSUPP) => Some(Self::Masquerade),
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
            Self::NatChain => "address translation in nftables of family inet",
            Self::Masquerade => "masquerade in nftables",
        })
    }
}

/// A refusal in the words of who configured the network.
pub(super) fn explain(operation: &'static str, network: &str, refusal: Refusal) -> MasqueradeError {
    let network = network.to_owned();
    if let Some(part) = KernelPart::missed_by(&refusal) {
        return MasqueradeError::KernelLacks { operation, network, part, source: refusal.error };
    }
    let hint = match (refusal.step, refusal.error.kind) {
        (_, ErrorKind::NotPermitted) => "; it takes CAP_NET_ADMIN in the network namespace, so run it as root",
        (Step::AddChain, ErrorKind::AlreadyExists | ErrorKind::Busy | ErrorKind::Unsupported) => {
            "; a chain of another kind is in its place: make room with `nft delete table inet gingham-NETWORK`"
        }
        _ => "",
    };
    MasqueradeError::Refused { operation, network, tried: tried(refusal.step), hint, source: refusal.error }
}

/// Reads after "refused to".
fn tried(step: Step) -> &'static str {
    match step {
        Step::Open => "open a netlink socket",
        Step::Read => "show nftables rules",
        Step::Generation | Step::Transaction => "change nftables",
        Step::AddTable => "add the nftables table",
        Step::DeleteTable => "delete the nftables table",
        Step::AddChain => "add the chain postrouting to the nftables table",
        Step::AddRule => "add a rule to the nftables table",
        Step::DeleteRule => "delete a rule of the nftables table",
        Step::DeleteChain => "delete a chain of the nftables table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(step: Step, errno: Errno) -> String {
        explain("masquerade", "mynet", Refusal { step, error: NetlinkError::refused("", errno, None) }).to_string()
    }

    #[test]
    fn each_missing_part_of_the_kernel_is_named_with_its_module() {
        for (step, errno, module) in [
            (Step::Open, Errno::PROTONOSUPPORT, "nfnetlink"),
            (Step::Read, Errno::INVAL, "nf_tables"),
            (Step::Transaction, Errno::OPNOTSUPP, "nf_tables"),
            (Step::AddTable, Errno::AFNOSUPPORT, "nf_tables"),
            (Step::AddChain, Errno::NOENT, "nft_chain_nat"),
            (Step::AddRule, Errno::NOENT, "nft_masq"),
        ] {
            let text = text(step, errno);
            assert!(text.contains(&format!("`modprobe {module}`")), "{step:?}, {errno:?}: {text}");
        }
    }

    #[test]
    fn any_other_refusal_is_told_in_the_kernels_words() {
        assert_eq!(
            text(Step::Transaction, Errno::NOMEM),
            "cannot masquerade the network \"mynet\": the kernel refused to change nftables: Cannot allocate memory"
        );
        assert_eq!(
            text(Step::Read, Errno::PERM),
            "cannot masquerade the network \"mynet\": the kernel refused to show nftables rules: Operation not permitted; \
             it takes CAP_NET_ADMIN in the network namespace, so run it as root"
        );
    }
}
