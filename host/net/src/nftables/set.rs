//! Named sets of addresses: single ones, which the kernel keeps in a hash table, or intervals.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::attribute::{Attributes, value_of};
use crate::netlink::message::attributes_of;

// Of a set (`enum nft_set_attributes`).
pub(super) const NFTA_SET_TABLE: u16 = 1;
pub(super) const NFTA_SET_NAME: u16 = 2;
const NFTA_SET_FLAGS: u16 = 3;
const NFTA_SET_KEY_TYPE: u16 = 4;
const NFTA_SET_KEY_LEN: u16 = 5;
const NFTA_SET_ID: u16 = 10;
const NFT_SET_INTERVAL: u32 = 4;

// Of a message about elements (`enum nft_set_elem_list_attributes`) and of its list.
pub(super) const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
pub(super) const NFTA_SET_ELEM_LIST_SET: u16 = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_LIST_ELEM: u16 = 1;

// Of one element (`enum nft_set_elem_attributes`) and of its key.
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_FLAGS: u16 = 3;
const NFTA_DATA_VALUE: u16 = 1;
const NFT_SET_ELEM_INTERVAL_END: u32 = 1;
/// What `nft` calls the types `ipv4_addr` and `ipv6_addr`; the kernel only keeps the number.
const TYPE_IPADDR: u32 = 7;
const TYPE_IP6ADDR: u32 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(crate) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Set {
    /// Unique within its table.
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    /// Instead of single addresses.
    pub(crate) holds_intervals: bool,
}

impl Set {
    /// Appends the set to `place`, the attributes that name its table. `id` is unique within the transaction.
    pub(super) fn describe(self, place: Attributes, id: u32) -> Attributes {
        let (kind, length) = match self.family {
            Family::V4 => (TYPE_IPADDR, 4),
            Family::V6 => (TYPE_IP6ADDR, 16),
        };
        place
            .text(NFTA_SET_NAME, self.name)
            .number(NFTA_SET_FLAGS, if self.holds_intervals { NFT_SET_INTERVAL } else { 0 })
            .number(NFTA_SET_KEY_TYPE, kind)
            .number(NFTA_SET_KEY_LEN, length)
            .number(NFTA_SET_ID, id)
    }
}

/// An element: an address, or an end of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) key: IpAddr,
    /// The first address behind an interval, instead of its first.
    pub(crate) ends_interval: bool,
}

impl Element {
    pub(crate) fn single(address: IpAddr) -> Self {
        Self { key: address, ends_interval: false }
    }

    fn describe(self) -> Attributes {
        let value = match self.key {
            IpAddr::V4(v4) => Attributes::new().bytes(NFTA_DATA_VALUE, &v4.octets()),
            IpAddr::V6(v6) => Attributes::new().bytes(NFTA_DATA_VALUE, &v6.octets()),
        };
        let element = Attributes::new().nest(NFTA_SET_ELEM_KEY, &value);
        if self.ends_interval { element.number(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END) } else { element }
    }

    fn read(attributes: &[u8]) -> Option<Self> {
        let value = value_of(value_of(attributes, NFTA_SET_ELEM_KEY)?, NFTA_DATA_VALUE)?;
        let key = match value.len() {
            4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?)),
            _ => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?)),
        };
        let flags = value_of(attributes, NFTA_SET_ELEM_FLAGS).and_then(|flags| flags.try_into().ok());
        let ends_interval = flags.map_or(0, u32::from_be_bytes) & NFT_SET_ELEM_INTERVAL_END != 0;
        Some(Self { key, ends_interval })
    }
}

/// Appends elements to `place`, the attributes that name their set.
pub(super) fn list(place: Attributes, elements: &[Element]) -> Attributes {
    let list = elements.iter().fold(Attributes::new(), |list, element| list.nest(NFTA_LIST_ELEM, &element.describe()));
    place.nest(NFTA_SET_ELEM_LIST_ELEMENTS, &list)
}

pub(super) fn read(attributes: &[u8]) -> Vec<Element> {
    let list = value_of(attributes, NFTA_SET_ELEM_LIST_ELEMENTS).unwrap_or_default();
    attributes_of(list).filter_map(|(_, element)| Element::read(element)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_read_back() {
        let single = |text: &str| Element::single(text.parse().unwrap());
        let elements = [single("10.1.0.2"), Element { ends_interval: true, ..single("10.2.0.0") }, single("fd00::2")];
        assert_eq!(read(list(Attributes::new(), &elements).as_bytes()), elements);
        assert_eq!(read(&[]), []);
    }
}
