//! The cluster, for a [`ClusterPolicy`](crate::ClusterPolicy): who its members are, and which blocks are claimed.
//!
//! What is seen here may be old, and least is known of the other members' blocks while an address is allocated. Who owns
//! a block is decided by the host, in the cluster's store.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::bindings::cluster::gingham::ipam::shares as wit;
use crate::convert;

/// This member's name.
pub fn me() -> String {
    wit::me()
}

/// The names of all members in byte order, this one among them.
pub fn members() -> Vec<String> {
    wit::members()
}

/// The first unclaimed block that lies between `first` and `last` as a whole and begins above `after`.
pub fn next_unclaimed(first: IpAddr, last: IpAddr, after: Option<IpAddr>) -> Option<IpNet> {
    let within = convert::range_out(first, last)?;
    wit::next_unclaimed(within, after.map(convert::address_out)).map(|block| convert::prefix_in(&block))
}

/// How many unclaimed blocks lie between `first` and `last` as a whole; `u64::MAX` stands for that many or more.
pub fn unclaimed_count(first: IpAddr, last: IpAddr) -> u64 {
    convert::range_out(first, last).map_or(0, wit::unclaimed_count)
}

/// The blocks this member holds, in address order.
pub fn claimed() -> Vec<IpNet> {
    wit::claimed().iter().map(convert::prefix_in).collect()
}

/// The member that holds the block in which this address lies, as far as the host knows. None is no proof that nobody
/// does.
pub fn holder(address: IpAddr) -> Option<String> {
    wit::holder(convert::address_out(address))
}
