//! What is said when a port cannot be guarded.

use rustix::io::Errno;

use crate::netlink::{ErrorKind, NetlinkError};
use crate::nftables::ruleset::{Refusal, Step};

/// Why a network's guards against spoofed addresses could not be seen to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpoofingError {
    /// A network name that cannot be part of a table's name.
    #[error(
        "macspoofchk: cannot guard the network {network:?}: its name must have 1 to 247 letters, digits, '_', '.' and '-'"
    )]
    NetworkName {
        /// The network's name.
        network: String,
    },
    /// A port that no interface can be.
    #[error("macspoofchk: cannot guard the network {network:?}: {port:?} cannot be the name of an interface")]
    PortName {
        /// The network's name.
        network: String,
        /// The port's name.
        port: String,
    },
    /// A part of the kernel is not there.
    #[error(
        "macspoofchk: cannot guard the network {network:?}: this kernel lacks {part} ({}); use a kernel with {option}, \
         or turn macspoofchk off",
        source.reason()
    )]
    KernelLacks {
        /// The network's name.
        network: String,
        /// The part.
        part: &'static str,
        /// The option of the kernel's configuration.
        option: &'static str,
        /// What the kernel answered.
        source: NetlinkError,
    },
    /// The kernel refused.
    #[error("macspoofchk: cannot guard the network {network:?}: the kernel refused to {tried}: {}{hint}", source.reason())]
    Refused {
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
        "macspoofchk: cannot guard the network {network:?}: others changed nftables rulesets during each of {attempts} \
         attempts; see `nft monitor` for who it is, and try again"
    )]
    RulesetsChanging {
        /// The network's name.
        network: String,
        /// How often it was tried.
        attempts: usize,
    },
}

/// Whether a refusal of a question shows that the kernel has no nftables, or none for bridges: then no rule is there.
pub(super) fn is_without_nftables(refusal: &Refusal) -> bool {
    let errno = refusal.error.errno;
    refusal.step == Step::Read && matches!(errno, Some(Errno::INVAL | Errno::OPNOTSUPP | Errno::AFNOSUPPORT))
}

/// A refusal in the words of who configured the network.
pub(super) fn explain(network: &str, refusal: Refusal) -> SpoofingError {
    let network = network.to_owned();
    let lacking = match (refusal.step, refusal.error.errno) {
        (Step::Open, Some(Errno::PROTONOSUPPORT)) => {
            Some(("netfilter's netlink interface", "CONFIG_NETFILTER_NETLINK"))
        }
        (Step::Read, Some(Errno::INVAL | Errno::OPNOTSUPP)) | (Step::Transaction, Some(Errno::OPNOTSUPP)) => {
            Some(("nftables", "CONFIG_NF_TABLES"))
        }
        (Step::AddTable, Some(Errno::AFNOSUPPORT | Errno::OPNOTSUPP))
        | (Step::AddChain, Some(Errno::NOENT))
        | (Step::Read, Some(Errno::AFNOSUPPORT)) => Some(("nftables for bridges", "CONFIG_NF_TABLES_BRIDGE")),
        _ => None,
    };
    if let Some((part, option)) = lacking {
        return SpoofingError::KernelLacks { network, part, option, source: refusal.error };
    }
    let hint = match (refusal.step, refusal.error.kind) {
        (_, ErrorKind::NotPermitted) => "; it takes CAP_NET_ADMIN in the network namespace, so run it as root",
        (Step::AddChain, ErrorKind::AlreadyExists | ErrorKind::Busy | ErrorKind::Unsupported) => {
            "; a chain of another kind is in its place: make room with `nft delete table bridge gingham-NETWORK`"
        }
        _ => "",
    };
    SpoofingError::Refused { network, tried: tried(refusal.step), hint, source: refusal.error }
}

/// Reads after "refused to".
fn tried(step: Step) -> &'static str {
    match step {
        Step::Open => "open a netlink socket",
        Step::Read => "show nftables rules",
        Step::Generation | Step::Transaction => "change nftables",
        Step::AddTable => "add the nftables table",
        Step::DeleteTable => "delete the nftables table",
        Step::AddChain => "add the chain prerouting to the nftables table",
        Step::DeleteChain => "delete a chain of the nftables table",
        Step::AddRule => "add a rule to the nftables table",
        Step::DeleteRule => "delete a rule of the nftables table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(step: Step, errno: Errno) -> String {
        explain("mynet", Refusal { step, error: NetlinkError::refused("", errno, None) }).to_string()
    }

    #[test]
    fn each_missing_part_of_the_kernel_is_named_with_its_option_and_the_key() {
        for (step, errno, option) in [
            (Step::Open, Errno::PROTONOSUPPORT, "CONFIG_NETFILTER_NETLINK"),
            (Step::Read, Errno::INVAL, "CONFIG_NF_TABLES,"),
            (Step::Transaction, Errno::OPNOTSUPP, "CONFIG_NF_TABLES,"),
            (Step::AddTable, Errno::AFNOSUPPORT, "CONFIG_NF_TABLES_BRIDGE"),
            (Step::AddChain, Errno::NOENT, "CONFIG_NF_TABLES_BRIDGE"),
        ] {
            let text = text(step, errno);
            assert!(text.starts_with("macspoofchk: ") && text.contains(option), "{step:?}, {errno:?}: {text}");
        }
    }

    #[test]
    fn any_other_refusal_is_told_in_the_kernels_words() {
        assert_eq!(
            text(Step::AddRule, Errno::NOMEM),
            "macspoofchk: cannot guard the network \"mynet\": the kernel refused to add a rule to the nftables table: \
             Cannot allocate memory"
        );
    }
}
