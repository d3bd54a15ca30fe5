//! Between the contract's types and the engine's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::bindings::gingham::ipam::addresses as wit;
use crate::address::IpRange;
use crate::attachment::Dns;

/// A value of a policy that stands for no address, prefix or range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadValue {
    #[error("it used {address}, an IPv4-mapped IPv6 address")]
    Mapped { address: IpAddr },
    #[error("it used the prefix length {length} with {address}")]
    PrefixLength { address: IpAddr, length: u8 },
    /// A range with mixed families or in the wrong order.
    #[error("it used {first}-{last}, which is not a range")]
    Range { first: IpAddr, last: IpAddr },
}

pub(crate) fn address_in(address: wit::IpAddress) -> Result<IpAddr, BadValue> {
    match address {
        wit::IpAddress::Ipv4(bytes) => Ok(Ipv4Addr::from(<[u8; 4]>::from(bytes)).into()),
        wit::IpAddress::Ipv6(groups) => {
            let v6 = Ipv6Addr::from(<[u16; 8]>::from(groups));
            match v6.to_ipv4_mapped() {
                Some(_) => Err(BadValue::Mapped { address: v6.into() }),
                None => Ok(v6.into()),
            }
        }
    }
}

pub(crate) fn address_out(address: IpAddr) -> wit::IpAddress {
    match address {
        IpAddr::V4(v4) => wit::IpAddress::Ipv4(v4.octets().into()),
        IpAddr::V6(v6) => wit::IpAddress::Ipv6(v6.segments().into()),
    }
}

pub(crate) fn prefix_in(prefix: wit::IpPrefix) -> Result<IpNet, BadValue> {
    let address = address_in(prefix.address)?;
    IpNet::new(address, prefix.length).map_err(|_| BadValue::PrefixLength { address, length: prefix.length })
}

pub(crate) fn range_in(range: wit::IpRange) -> Result<IpRange, BadValue> {
    let (first, last) = (address_in(range.first)?, address_in(range.last)?);
    IpRange::new(first, last).ok_or(BadValue::Range { first, last })
}

pub(crate) fn prefix_out(prefix: IpNet) -> wit::IpPrefix {
    wit::IpPrefix { address: address_out(prefix.addr()), length: prefix.prefix_len() }
}

pub(crate) fn range_out(range: IpRange) -> wit::IpRange {
    wit::IpRange { first: address_out(range.first()), last: address_out(range.last()) }
}

pub(crate) fn dns_in(dns: wit::Dns) -> Dns {
    Dns { nameservers: dns.nameservers, domain: dns.domain, search: dns.search, options: dns.options }
}

pub(crate) fn dns_out(dns: &Dns) -> wit::Dns {
    let Dns { nameservers, domain, search, options } = dns.clone();
    wit::Dns { nameservers, domain, search, options }
}

/// Bytes kept of a text of a policy for people.
pub(crate) const MESSAGE_BYTES: usize = 1024;

/// A policy's text as people may see it: one line without terminal commands, cut at `most` bytes. A panic has line breaks,
/// which are spaces then; other control characters are escaped.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let kept = &text[..text.floor_char_boundary(most)];
    let spaced = kept.replace(['\n', '\r', '\t'], " ");
    let mut line = gingham_untrusted::text::line(&spaced).into_owned();
    if kept.len() < text.len() {
        line.push('…');
    }
    line
}
