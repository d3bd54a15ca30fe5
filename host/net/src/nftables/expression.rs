//! The instructions of a rule: what the kernel loads of a packet, compares and does.

use std::net::IpAddr;

use ipnet::IpNet;

use super::attribute::{self, Attributes};
use super::set::{Family, Set};
use crate::Mac;
use crate::netlink::message::{attributes_of, text};

const NFTA_LIST_ELEM: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_META_DREG: u16 = 1;
const NFTA_META_KEY: u16 = 2;
const NFTA_PAYLOAD_DREG: u16 = 1;
const NFTA_PAYLOAD_BASE: u16 = 2;
const NFTA_PAYLOAD_OFFSET: u16 = 3;
const NFTA_PAYLOAD_LEN: u16 = 4;
const NFTA_BITWISE_SREG: u16 = 1;
const NFTA_BITWISE_DREG: u16 = 2;
const NFTA_BITWISE_LEN: u16 = 3;
const NFTA_BITWISE_MASK: u16 = 4;
const NFTA_BITWISE_XOR: u16 = 5;
const NFTA_CMP_SREG: u16 = 1;
const NFTA_CMP_OP: u16 = 2;
const NFTA_CMP_DATA: u16 = 3;
const NFTA_LOOKUP_SET: u16 = 1;
const NFTA_LOOKUP_SREG: u16 = 2;
const NFTA_LOOKUP_FLAGS: u16 = 5;
/// `NFT_LOOKUP_F_INV`: go on if the set does not hold it.
const LOOKUP_INVERTED: u32 = 1;
const NFTA_IMMEDIATE_DREG: u16 = 1;
const NFTA_IMMEDIATE_DATA: u16 = 2;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_VERDICT_CHAIN: u16 = 2;

/// The one register that is used: `NFT_REG_1`, 16 bytes.
const REGISTER: u32 = 1;
/// `NFT_REG_VERDICT`: what becomes of the packet.
const VERDICT_REGISTER: u32 = 0;
const NF_DROP: u32 = 0;
const NFT_META_IIFNAME: u32 = 6;
/// An interface's name with the zero at its end, as a register holds it.
const IFNAMSIZ: usize = 16;
const NFT_META_NFPROTO: u32 = 15;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
/// Offsets count from the Ethernet header.
const NFT_PAYLOAD_LL_HEADER: u32 = 0;
/// Where an Ethernet header has the sender.
const ETHER_SOURCE: u32 = 6;
/// Offsets count from the IP header.
const NFT_PAYLOAD_NETWORK_HEADER: u32 = 1;

/// Which of a packet's two addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// `saddr`
    Source,
    /// `daddr`
    Destination,
}

impl Side {
    /// Bytes from the beginning of the IP header.
    fn offset(self, prefix: &IpNet) -> u32 {
        match (self, prefix) {
            (Self::Source, IpNet::V4(_)) => 12,
            (Self::Destination, IpNet::V4(_)) => 16,
            (Self::Source, IpNet::V6(_)) => 8,
            (Self::Destination, IpNet::V6(_)) => 24,
        }
    }
}

/// When a rule goes on to its next instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// The address lies in the prefix.
    Within,
    /// It does not: `!=`.
    Outside,
}

impl When {
    /// `NFT_CMP_EQ` and `NFT_CMP_NEQ`.
    fn operator(self) -> u32 {
        match self {
            Self::Within => 0,
            Self::Outside => 1,
        }
    }
}

/// Instructions in the order of their execution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expressions(Attributes);

impl Expressions {
    /// Begins with `meta nfproto ipv4` or `ipv6`: a table of family inet sees both, and the addresses lie elsewhere.
    pub(crate) fn for_family_of(prefix: &IpNet) -> Self {
        let protocol = match prefix {
            IpNet::V4(_) => NFPROTO_IPV4,
            IpNet::V6(_) => NFPROTO_IPV6,
        };
        let load = Attributes::new().number(NFTA_META_KEY, NFT_META_NFPROTO).number(NFTA_META_DREG, REGISTER);
        Self::default().then("meta", &load).then_compare(When::Within, &[protocol])
    }

    /// Begins with `iifname NAME`: the frame came in by the interface of this name.
    pub(crate) fn for_interface(name: &str) -> Self {
        let mut padded = [0; IFNAMSIZ];
        padded.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
        let load = Attributes::new().number(NFTA_META_KEY, NFT_META_IIFNAME).number(NFTA_META_DREG, REGISTER);
        Self::default().then("meta", &load).then_compare(When::Within, &padded)
    }

    /// `ether saddr != MAC`
    pub(crate) fn then_sender_is_not(self, mac: Mac) -> Self {
        let octets = mac.octets();
        let load = Attributes::new()
            .number(NFTA_PAYLOAD_DREG, REGISTER)
            .number(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_LL_HEADER)
            .number(NFTA_PAYLOAD_OFFSET, ETHER_SOURCE)
            .number(NFTA_PAYLOAD_LEN, 6);
        self.then("payload", &load).then_compare(When::Outside, &octets)
    }

    /// `drop`
    pub(crate) fn then_drop(self) -> Self {
        let verdict = Attributes::new().number(NFTA_VERDICT_CODE, NF_DROP);
        // Without the mark of a nest, as the kernel shows it.
        let data = Attributes::new().bytes(NFTA_DATA_VERDICT, verdict.as_bytes());
        let verdict = Attributes::new().number(NFTA_IMMEDIATE_DREG, VERDICT_REGISTER).nest(NFTA_IMMEDIATE_DATA, &data);
        self.then("immediate", &verdict)
    }

    /// `ip saddr PREFIX`, `ip daddr != PREFIX` and their like of IPv6, the family being that of the beginning.
    pub(crate) fn then_address(self, side: Side, when: When, prefix: &IpNet) -> Self {
        let bits = prefix.prefix_len();
        // Whole bytes need no mask: fewer instructions per packet, and what `nft` makes of the same text.
        let whole_bytes = bits > 0 && bits.is_multiple_of(8);
        let loaded = if whole_bytes { bits / 8 } else { prefix.max_prefix_len() / 8 };
        let network = &octets(prefix.network())[..usize::from(loaded)];
        let load = Attributes::new()
            .number(NFTA_PAYLOAD_DREG, REGISTER)
            .number(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER)
            .number(NFTA_PAYLOAD_OFFSET, side.offset(prefix))
            .number(NFTA_PAYLOAD_LEN, loaded.into());
        let loaded_address = self.then("payload", &load);
        if whole_bytes {
            return loaded_address.then_compare(when, network);
        }
        let mask = Attributes::new()
            .number(NFTA_BITWISE_SREG, REGISTER)
            .number(NFTA_BITWISE_DREG, REGISTER)
            .number(NFTA_BITWISE_LEN, loaded.into())
            .nest(NFTA_BITWISE_MASK, &value(&octets(prefix.netmask())))
            .nest(NFTA_BITWISE_XOR, &value(&vec![0; network.len()]));
        loaded_address.then("bitwise", &mask).then_compare(when, network)
    }

    /// `ip saddr @SET`, `ip daddr != @SET` and their like of IPv6, the family being that of the beginning.
    pub(crate) fn then_address_in(self, side: Side, when: When, set: Set) -> Self {
        // Offsets and lengths depend on the family alone.
        let any = match set.family {
            Family::V4 => IpNet::from(IpAddr::from([0; 4])),
            Family::V6 => IpNet::from(IpAddr::from([0_u8; 16])),
        };
        let load = Attributes::new()
            .number(NFTA_PAYLOAD_DREG, REGISTER)
            .number(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER)
            .number(NFTA_PAYLOAD_OFFSET, side.offset(&any))
            .number(NFTA_PAYLOAD_LEN, u32::from(any.max_prefix_len()) / 8);
        let lookup = Attributes::new().text(NFTA_LOOKUP_SET, set.name).number(NFTA_LOOKUP_SREG, REGISTER);
        let lookup = match when {
            When::Within => lookup,
            When::Outside => lookup.number(NFTA_LOOKUP_FLAGS, LOOKUP_INVERTED),
        };
        self.then("payload", &load).then("lookup", &lookup)
    }

    /// `masquerade`: the packet leaves with an address of the interface by which it leaves.
    pub(crate) fn then_masquerade(self) -> Self {
        self.then("masq", &Attributes::new())
    }

    /// Adds an instruction.
    pub(crate) fn then(self, name: &str, data: &Attributes) -> Self {
        let expression = Attributes::new().text(NFTA_EXPR_NAME, name).nest(NFTA_EXPR_DATA, data);
        Self(self.0.nest(NFTA_LIST_ELEM, &expression))
    }

    fn then_compare(self, when: When, with: &[u8]) -> Self {
        let comparison = Attributes::new()
            .number(NFTA_CMP_SREG, REGISTER)
            .number(NFTA_CMP_OP, when.operator())
            .nest(NFTA_CMP_DATA, &value(with));
        self.then("cmp", &comparison)
    }

    /// As a list's attributes.
    pub(crate) fn list(&self) -> &Attributes {
        &self.0
    }

    /// Whether a list, as the kernel shows it, holds just these instructions. The kernel shows attributes that were left
    /// to their defaults, and a newer one may know more of them: each wanted one must be there, not vice versa.
    pub(crate) fn are(&self, list: &[u8]) -> bool {
        let (mut shown, mut wanted) = (attributes_of(list), attributes_of(self.0.as_bytes()));
        loop {
            match (shown.next(), wanted.next()) {
                (None, None) => return true,
                (Some((_, shown)), Some((_, wanted))) if same_instruction(shown, wanted) => {}
                _ => return false,
            }
        }
    }
}

/// The chains that instructions of a list jump to.
pub(crate) fn jumps(list: &[u8]) -> impl Iterator<Item = &str> {
    attributes_of(list).filter_map(|(_, expression)| {
        let data = attribute::value_of(expression, NFTA_EXPR_DATA)?;
        let immediate = attribute::value_of(data, NFTA_IMMEDIATE_DATA)
            .filter(|_| attribute::value_of(expression, NFTA_EXPR_NAME).and_then(text) == Some("immediate"))?;
        let verdict = attribute::value_of(immediate, NFTA_DATA_VERDICT)?;
        attribute::value_of(verdict, NFTA_VERDICT_CHAIN).and_then(text)
    })
}

fn same_instruction(shown: &[u8], wanted: &[u8]) -> bool {
    let name = |expression| attribute::value_of(expression, NFTA_EXPR_NAME).and_then(text);
    let data = |expression| attribute::value_of(expression, NFTA_EXPR_DATA).unwrap_or_default();
    name(shown).is_some() && name(shown) == name(wanted) && attribute::includes(data(shown), data(wanted))
}

fn value(bytes: &[u8]) -> Attributes {
    Attributes::new().bytes(NFTA_DATA_VALUE, bytes)
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(prefix: &str) -> Expressions {
        let prefix = prefix.parse().unwrap();
        Expressions::for_family_of(&prefix).then_address(Side::Source, When::Within, &prefix)
    }

    fn shown(expressions: &Expressions) -> &[u8] {
        expressions.list().as_bytes()
    }

    #[test]
    fn instructions_are_what_they_are() {
        for prefix in ["10.0.0.0/8", "10.0.0.0/9", "fd00::/8", "fd00::/9", "0.0.0.0/0", "::/0"] {
            let rule = from(prefix).then_masquerade();
            assert!(rule.are(shown(&rule)), "{prefix}");
        }
    }

    #[test]
    fn one_more_one_less_or_another_is_a_difference() {
        let rule = from("10.0.0.0/8").then_masquerade();
        assert!(!rule.are(shown(&from("10.0.0.0/8"))));
        assert!(!from("10.0.0.0/8").are(shown(&rule)));
        assert!(!rule.are(shown(&from("10.0.0.0/8").then("redir", &Attributes::new()))));
        assert!(!rule.are(shown(&from("11.0.0.0/8").then_masquerade())));
        assert!(!from("10.0.0.0/9").are(shown(&from("10.0.0.0/10"))));
        assert!(!rule.are(&[]));
    }

    #[test]
    fn attributes_that_a_kernel_adds_are_no_difference() {
        let wanted = Expressions::default().then_masquerade();
        let more = Expressions::default().then("masq", &Attributes::new().number(1, 0));
        assert!(wanted.are(shown(&more)));
    }
}
