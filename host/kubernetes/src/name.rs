//! Names of objects. The name of a block's object is what makes a claim exclusive.
//!
//! | key of the record | object |
//! |---|---|
//! | `config` | AddressNetwork `NETWORK` |
//! | `members/NODE` | NetworkMember `NETWORK.NODE` |
//! | `blocks/10.32.5.0-24` | AddressBlock `NETWORK.10.32.5.0-24` |
//! | `blocks/fd00::-112` | AddressBlock `NETWORK.fd00-0-0-0-0-0-0-0-112`: no name can hold `:`, and `--` would be ambiguous |

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};

/// Of a name, in bytes.
const LONGEST: usize = 253;

/// Of a label, in bytes: a network's name is one.
const LONGEST_LABEL: usize = 63;

/// Of the hash in a name that was cut, in hexadecimal digits.
const HASH: usize = 16;

/// A name that cannot be a network's here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the network's name {name:?} cannot be used with the store \"kubernetes\": use at most 63 lower-case letters, digits \
     and hyphens, with a letter or digit first and last"
)]
pub struct NetworkNameError {
    pub name: String,
}

/// The name of a network is a label: no dot is in it, so that the first dot of an object's name ends it.
pub(crate) fn check_network(name: &str) -> Result<(), NetworkNameError> {
    if is_label(name) { Ok(()) } else { Err(NetworkNameError { name: name.to_owned() }) }
}

/// The name of a block's object.
pub fn of_block(network: &str, block: IpNet) -> String {
    let address = match block.addr() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => address.segments().map(|segment| format!("{segment:x}")).join("-"),
    };
    format!("{network}.{address}-{}", block.prefix_len())
}

/// The block that an object of this name claims.
pub(crate) fn block(network: &str, name: &str) -> Option<IpNet> {
    let (address, length) = suffix(network, name)?.rsplit_once('-')?;
    let address = if address.contains('.') { address.parse().ok()? } else { IpAddr::V6(ipv6(address)?) };
    let block = IpNet::new(address, length.parse().ok()?).ok()?;
    // One block has one name, or two could claim it.
    (block == block.trunc() && of_block(network, block) == name).then_some(block)
}

fn ipv6(text: &str) -> Option<Ipv6Addr> {
    let segments: Option<Vec<u16>> = text.split('-').map(|segment| u16::from_str_radix(segment, 16).ok()).collect();
    <[u16; 8]>::try_from(segments?).ok().map(Ipv6Addr::from)
}

/// A node's name is part of the object's, unless that would be too long or none at all: then a hash makes it one of its
/// own. Which node a member is says its `spec.node`.
pub fn of_member(network: &str, node: &str) -> String {
    let name = format!("{network}.{node}");
    if name.len() <= LONGEST && node.split('.').all(is_label) {
        return name;
    }
    let hash = Sha256::digest(node).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let room = (LONGEST - network.len() - HASH - 2).min(LONGEST_LABEL - HASH - 1);
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '-';
    let readable: String =
        node.chars().map(|c| if allowed(c) { c.to_ascii_lowercase() } else { '-' }).take(room).collect();
    let readable = readable.trim_matches('-');
    let join = if readable.is_empty() { "" } else { "-" };
    format!("{network}.{readable}{join}{}", &hash[..HASH])
}

/// What comes after the network in the name of one of its objects.
pub(crate) fn suffix<'n>(network: &str, name: &'n str) -> Option<&'n str> {
    name.strip_prefix(network)?.strip_prefix('.')
}

fn is_label(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = text.bytes().next().is_some_and(is_plain) && text.bytes().next_back().is_some_and(is_plain);
    ends && text.len() <= LONGEST_LABEL && text.bytes().all(|byte| is_plain(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_as_people_read_them() {
        assert_eq!(of_block("pods", "10.32.5.0/24".parse().unwrap()), "pods.10.32.5.0-24");
        assert_eq!(of_block("pods", "fd00::/112".parse().unwrap()), "pods.fd00-0-0-0-0-0-0-0-112");
        assert_eq!(of_member("pods", "node-1.example"), "pods.node-1.example");
        assert_eq!(of_member("pods", "Node_1"), "pods.node-1-8a937c95b229d7cf");
    }

    #[test]
    fn a_block_has_one_name() {
        for name in [
            "pods.10.32.5.1-24",
            "pods.10.32.5.0-024",
            "pods.10.32.05.0-24",
            "pods.fd00-0-0-0-0-0-0-00-112",
            "pods.FD00-0-0-0-0-0-0-0-112",
            "pods.fd00-0-112",
            "pods.10.32.5.0",
            "pods.10.32.5.0-33",
            "pods.",
            "pod.10.32.5.0-24",
            "podsx10.32.5.0-24",
            "pods.+fd00-0-0-0-0-0-0-0-112",
        ] {
            assert_eq!(block("pods", name), None, "{name}");
        }
    }

    #[test]
    fn networks_are_labels() {
        for name in ["pods", "a", "0-a", &"a".repeat(63)] {
            assert!(check_network(name).is_ok(), "{name}");
        }
        for name in ["", "Pods", "a.b", "a_b", "-a", "a-", "gr\u{fc}n", &"a".repeat(64)] {
            assert!(check_network(name).is_err(), "{name}");
        }
    }

    fn blocks() -> impl Strategy<Value = IpNet> {
        let v4 = (any::<[u8; 4]>(), 0..=32u8).prop_map(|(address, length)| IpNet::new(address.into(), length));
        let v6 = (any::<[u16; 8]>(), 0..=128u8).prop_map(|(address, length)| IpNet::new(address.into(), length));
        prop_oneof![v4, v6].prop_map(|block| block.unwrap().trunc())
    }

    fn is_name(name: &str) -> bool {
        name.len() <= LONGEST && name.split('.').all(is_label)
    }

    proptest! {
        #[test]
        fn a_blocks_name_is_valid_and_says_which_it_is(block in blocks()) {
            let name = of_block("pods", block);
            prop_assert!(is_name(&name), "{}", name);
            prop_assert_eq!(super::block("pods", &name), Some(block));
        }

        #[test]
        fn every_node_has_a_valid_name_of_its_own(
            network in "[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
            node in "[-A-Za-z0-9._]{1,300}|\\PC{1,40}",
            other in "[-A-Za-z0-9._]{1,300}",
        ) {
            let name = of_member(&network, &node);
            prop_assert!(is_name(&name), "{}", name);
            prop_assert_eq!(name == of_member(&network, &other), node == other);
        }
    }
}
