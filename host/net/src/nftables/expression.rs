//! The instructions of a rule: what the kernel loads of a packet, compares and does.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_netfilter::NetfilterProtoFamily;
use netlink_packet_netfilter::nftables::{
    Bitwise, Cmp, DataAttribute, ExpressionAttribute, Expressions, ListAttribute, Meta, MetaKey, Operator, Payload,
    Register,
};

/// `NFT_PAYLOAD_NETWORK_HEADER`: offsets count from the IP header.
const NETWORK_HEADER: u32 = 1;

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

/// `meta nfproto ipv4` or `ipv6`: a table of family inet sees both, and the address offsets differ.
pub(crate) fn of_family(prefix: &IpNet) -> Vec<Expressions> {
    let protocol = match prefix {
        IpNet::V4(_) => NetfilterProtoFamily::IPv4,
        IpNet::V6(_) => NetfilterProtoFamily::IPv6,
    };
    vec![
        Expressions::Meta(vec![Meta::Key(MetaKey::Nfproto), Meta::DestinationRegister(Register::Reg1)]),
        compare(Operator::Equal, vec![protocol.into()]),
    ]
}

/// `ip saddr PREFIX` and its like: goes on with the rule if the address lies in the prefix (`Operator::Equal`) or does
/// not (`Operator::NotEqual`). Must follow [`of_family`].
pub(crate) fn address(side: Side, operator: Operator, prefix: &IpNet) -> Vec<Expressions> {
    let bits = prefix.prefix_len();
    // Whole bytes need no mask: fewer instructions per packet, and what `nft` makes of the same text.
    let whole_bytes = bits > 0 && bits.is_multiple_of(8);
    let loaded = if whole_bytes { bits / 8 } else { prefix.max_prefix_len() / 8 };
    let network = octets(prefix.network())[..usize::from(loaded)].to_vec();
    let mut expressions = vec![Expressions::Payload(vec![
        Payload::DestinationRegister(Register::Reg1),
        Payload::Base(NETWORK_HEADER),
        Payload::Offset(side.offset(prefix)),
        Payload::Len(loaded.into()),
    ])];
    if !whole_bytes {
        expressions.push(Expressions::Bitwise(vec![
            Bitwise::SourceRegister(Register::Reg1),
            Bitwise::DestinationRegister(Register::Reg1),
            Bitwise::Length(loaded.into()),
            Bitwise::Mask(DataAttribute::Value(octets(prefix.netmask()))),
            Bitwise::Xor(DataAttribute::Value(vec![0; network.len()])),
        ]));
    }
    expressions.push(compare(operator, network));
    expressions
}

/// `masquerade`: the packet leaves with an address of the interface it leaves by.
pub(crate) fn masquerade() -> Expressions {
    Expressions::Other { expression_type: "masq".to_owned(), attributes: Vec::new() }
}

/// The instructions as the list a rule carries.
pub(crate) fn into_list(expressions: Vec<Expressions>) -> Vec<ListAttribute<ExpressionAttribute>> {
    expressions.into_iter().map(ListAttribute::from).collect()
}

/// Whether a rule's list, as the kernel shows it, holds just these instructions. The kernel may show attributes we
/// left to their defaults; a newer one may know more of them. Hence each wanted attribute must be there, not vice versa.
pub(crate) fn list_is(list: &[ListAttribute<ExpressionAttribute>], wanted: &[Expressions]) -> bool {
    list.len() == wanted.len()
        && list.iter().zip(wanted).all(|(element, wanted)| match element {
            ListAttribute::Element(attributes) => attributes
                .iter()
                .any(|attribute| matches!(attribute, ExpressionAttribute::Data(shown) if includes(shown, wanted))),
            _ => false,
        })
}

fn includes(shown: &Expressions, wanted: &Expressions) -> bool {
    match (shown, wanted) {
        (Expressions::Meta(shown), Expressions::Meta(wanted)) => all_in(wanted, shown),
        (Expressions::Cmp(shown), Expressions::Cmp(wanted)) => all_in(wanted, shown),
        (Expressions::Payload(shown), Expressions::Payload(wanted)) => all_in(wanted, shown),
        (Expressions::Bitwise(shown), Expressions::Bitwise(wanted)) => all_in(wanted, shown),
        (
            Expressions::Other { expression_type: shown_type, attributes: shown },
            Expressions::Other { expression_type: wanted_type, attributes: wanted },
        ) => shown_type == wanted_type && all_in(wanted, shown),
        _ => false,
    }
}

fn all_in<T: PartialEq>(wanted: &[T], shown: &[T]) -> bool {
    wanted.iter().all(|attribute| shown.contains(attribute))
}

fn compare(operator: Operator, value: Vec<u8>) -> Expressions {
    Expressions::Cmp(vec![
        Cmp::SourceRegister(Register::Reg1),
        Cmp::Op(operator),
        Cmp::Data(DataAttribute::Value(value)),
    ])
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
