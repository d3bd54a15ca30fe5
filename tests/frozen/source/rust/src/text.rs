//! Values of the contract as text, and back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::gingham::ipam::addresses::{IpAddress, IpPrefix, IpRange};
use crate::gingham::ipam::context::Fact;

pub struct Text;

impl Text {
    pub fn ip(address: IpAddress) -> IpAddr {
        match address {
            IpAddress::Ipv4((a, b, c, d)) => Ipv4Addr::new(a, b, c, d).into(),
            IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => Ipv6Addr::new(a, b, c, d, e, f, g, h).into(),
        }
    }

    pub fn prefix(prefix: IpPrefix) -> String {
        format!("{}/{}", Self::ip(prefix.address), prefix.length)
    }

    pub fn range(range: IpRange) -> String {
        format!("{}-{}", Self::ip(range.first), Self::ip(range.last))
    }

    pub fn fact(fact: Fact) -> String {
        match fact {
            Fact::Known(value) => value,
            Fact::Absent => "(absent)".to_owned(),
            Fact::Unknown => "(unknown)".to_owned(),
        }
    }

    pub fn labels(labels: Option<Vec<(String, String)>>) -> String {
        labels.map_or("(unknown)".to_owned(), |labels| format!("{labels:?}"))
    }
}

pub fn address(text: &str) -> IpAddress {
    match text.parse().unwrap() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            IpAddress::Ipv4((a, b, c, d))
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.segments();
            IpAddress::Ipv6((a, b, c, d, e, f, g, h))
        }
    }
}

pub fn prefix(text: &str) -> IpPrefix {
    let (network, length) = text.split_once('/').unwrap();
    IpPrefix { address: address(network), length: length.parse().unwrap() }
}

pub fn range(first: &str, last: &str) -> IpRange {
    IpRange { first: address(first), last: address(last) }
}

/// The whole of a /24 or a /64.
pub fn all(text: &str) -> IpRange {
    let IpPrefix { address: first, .. } = prefix(text);
    let last = match first {
        IpAddress::Ipv4((a, b, c, _)) => IpAddress::Ipv4((a, b, c, 255)),
        IpAddress::Ipv6((a, b, c, d, ..)) => IpAddress::Ipv6((a, b, c, d, 0xffff, 0xffff, 0xffff, 0xffff)),
    };
    IpRange { first, last }
}
