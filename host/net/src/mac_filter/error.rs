use rustix::io::Errno;

use crate::netlink::NetlinkError;
use crate::nftables::refusal::{KernelPart, Refusal, Step};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MacFilterError {
    #[error(
        "macspoofchk: cannot filter MAC addresses of the network {network:?}: invalid name; use 1 to 255 letters, digits, \
         '_', '.' and '-'"
    )]
    NetworkName { network: String },
    #[error(
        "macspoofchk: cannot filter MAC addresses of the network {network:?}: {port:?} cannot be the name of an interface"
    )]
    PortName { network: String, port: String },
    #[error(
        "macspoofchk: cannot filter MAC addresses of the network {network:?}: this kernel lacks {part} ({}); use a kernel \
         with {}, or turn macspoofchk off",
        source.reason(), part.option()
    )]
    KernelLacks { network: String, part: KernelPart, source: NetlinkError },
    #[error(
        "macspoofchk: cannot filter MAC addresses of the network {network:?}: the kernel refused to {tried}: {}{hint}",
        source.reason()
    )]
    Refused {
        network: String,
        tried: &'static str,
        /// What to do about it: empty or with its own punctuation.
        hint: &'static str,
        source: NetlinkError,
    },
    #[error(
        "macspoofchk: cannot filter MAC addresses of the network {network:?}: other processes changed nftables rulesets \
         during each of {attempts} attempts; find them with `nft monitor` and try again"
    )]
    RulesetsChanging { network: String, attempts: usize },
}

/// Whether the refusal of a look-up shows that the kernel has no nftables, or none for bridges.
pub(super) fn is_without_nftables(refusal: &Refusal) -> bool {
    let errno = refusal.error.errno;
    refusal.step == Step::Read && matches!(errno, Some(Errno::INVAL | Errno::OPNOTSUPP | Errno::AFNOSUPPORT))
}

const ADD_CHAIN: &str = "add the chain prerouting to the nftables table";
const MAKE_ROOM: &str =
    "; a chain of another kind is in its place: make room with `nft delete table bridge gingham-NETWORK`";

pub(super) fn explain(network: &str, refusal: Refusal) -> MacFilterError {
    let network = network.to_owned();
    let own = || match (refusal.step, refusal.error.errno?) {
        (Step::AddTable, Errno::AFNOSUPPORT | Errno::OPNOTSUPP)
        | (Step::AddChain, Errno::NOENT)
        | (Step::Read, Errno::AFNOSUPPORT) => Some(KernelPart::BridgeFamily),
        _ => None,
    };
    if let Some(part) = KernelPart::missed_by(&refusal).or_else(own) {
        return MacFilterError::KernelLacks { network, part, source: refusal.error };
    }
    let (tried, hint) = (refusal.tried(ADD_CHAIN), refusal.hint(MAKE_ROOM));
    MacFilterError::Refused { network, tried, hint, source: refusal.error }
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
    fn any_other_refusal_has_the_kernels_message() {
        assert_eq!(
            text(Step::AddRule, Errno::NOMEM),
            "macspoofchk: cannot filter MAC addresses of the network \"mynet\": the kernel refused to add a rule to the nftables \
             table: Cannot allocate memory"
        );
    }
}
