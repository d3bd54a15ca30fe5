//! The addresses of a range, one by one.

use std::net::IpAddr;

use gingham_engine::address::{IpRange, number};

pub(crate) fn each(range: IpRange) -> impl Iterator<Item = IpAddr> {
    let (family, first) = (range.family(), number(range.first()));
    (0..range.len()).filter_map(move |offset| family.address(first + offset))
}
