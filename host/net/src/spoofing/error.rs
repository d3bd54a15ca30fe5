//! What is said when a port cannot be guarded.

use rustix::io::Errno;

use crate::netlink::NetlinkError;
use crate::nftables::refusal::{KernelPart, Refusal, Step};

/// Why a network's guards against spoofed addresses could not be seen to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpoofingError {
    /// A network name that cannot be part of a table's name.
    #[error(
        "macspoofchk: cannot guard the network {network:?}: its name must have 1 to 255 letters, digits, '_', '.' and '-'"
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
        "macspoofchk: cannot guard the network {network:?}: this kernel lacks {part} ({}); use a kernel with {}, \
         or turn macspoofchk off",
        source.reason(), part.option()
    )]
    KernelLacks {
        /// The network's name.
        network: String,
        /// The part.
        part: KernelPart,
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

const ADD_CHAIN: &str = "add the chain prerouting to the nftables table";
const MAKE_ROOM: &str =
    "; a chain of another kind is in its place: make room with `nft delete table bridge gingham-NETWORK`";

/// A refusal in the words of who configured the network.
pub(super) fn explain(network: &str, refusal: Refusal) -> SpoofingError {
    let network = network.to_owned();
    let own = || match (refusal.step, refusal.error.errno?) {
        (Step::AddTable, Errno::AFNOSUPPORT | Errno::OPNOTSUPP)
        | (Step::AddChain, Errno::NOENT)
        | (Step::Read, Errno::AFNOSUPPORT) => Some(KernelPart::BridgeFamily),
        _ => None,
    };
    if let Some(part) = KernelPart::missed_by(&refusal).or_else(own) {
        return SpoofingError::KernelLacks { network, part, source: refusal.error };
    }
    let (tried, hint) = (refusal.tried(ADD_CHAIN), refusal.hint(MAKE_ROOM));
    SpoofingError::Refused { network, tried, hint, source: refusal.error }
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
