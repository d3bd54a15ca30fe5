use rustix::io::Errno;

use crate::netlink::NetlinkError;
use crate::nftables::refusal::{KernelPart, Refusal, Step};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MasqueradeError {
    #[error(
        "cannot masquerade the network {network:?}: its name has {length} bytes and the limit is {longest}; choose a \
         shorter name"
    )]
    NameTooLong { network: String, length: usize, longest: usize },
    #[error(
        "cannot masquerade the network {network:?}: invalid name; use letters, digits, '_', '.' and '-', and begin \
         with a letter or digit"
    )]
    InvalidName { network: String },
    #[error(
        "cannot {operation} the network {network:?}: this kernel lacks {part} ({}); load it with `modprobe {}`, or use \
         a kernel of 5.2 or later with {}",
        source.reason(), part.module(), part.option()
    )]
    KernelLacks {
        /// Stands after "cannot" and before "the network".
        operation: &'static str,
        network: String,
        part: KernelPart,
        source: NetlinkError,
    },
    #[error("cannot {operation} the network {network:?}: the kernel refused to {tried}: {}{hint}", source.reason())]
    Refused {
        /// Stands after "cannot" and before "the network".
        operation: &'static str,
        network: String,
        tried: &'static str,
        /// What to do about it: empty or with its own punctuation.
        hint: &'static str,
        source: NetlinkError,
    },
    #[error(
        "cannot masquerade the network {network:?}: other processes changed nftables rulesets during each of {attempts} \
         attempts; find them with `nft monitor` and try again"
    )]
    RulesetsChanging { network: String, attempts: usize },
}

/// The part of the kernel that is missing, as the refusal shows.
pub(super) fn missed_by(refusal: &Refusal) -> Option<KernelPart> {
    let own = || match (refusal.step, refusal.error.errno?) {
        (Step::AddTable, Errno::AFNOSUPPORT | Errno::OPNOTSUPP) => Some(KernelPart::InetFamily),
        (Step::AddChain, Errno::NOENT) => Some(KernelPart::NatChain),
        (Step::AddRule, Errno::NOENT | Errno::OPNOTSUPP) => Some(KernelPart::Masquerade),
        _ => None,
    };
    KernelPart::missed_by(refusal).or_else(own)
}

const ADD_CHAIN: &str = "add the chain postrouting to the nftables table";
const MAKE_ROOM: &str =
    "; a chain of another kind is in its place: make room with `nft delete table inet gingham-NETWORK`";

pub(super) fn explain(operation: &'static str, network: &str, refusal: Refusal) -> MasqueradeError {
    let network = network.to_owned();
    if let Some(part) = missed_by(&refusal) {
        return MasqueradeError::KernelLacks { operation, network, part, source: refusal.error };
    }
    let (tried, hint) = (refusal.tried(ADD_CHAIN), refusal.hint(MAKE_ROOM));
    MasqueradeError::Refused { operation, network, tried, hint, source: refusal.error }
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
    fn any_other_refusal_has_the_kernels_message() {
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
