//! The cluster, for a [`ClusterPolicy`](crate::ClusterPolicy): who its members are, and which blocks are claimed.
//!
//! What is seen here may be old, and least is known of the other members' blocks while an address is allocated. Who owns
//! a block is decided by the host, in the cluster's store.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::bindings::cluster::gingham::ipam::shares as wit;
use crate::{IpRange, convert, host};

/// This member's name: the same as [`Context::node_name`](crate::Context::node_name).
pub fn me() -> String {
    host::called();
    wit::me()
}

/// The names of all members in byte order, this one among them.
pub fn members() -> Vec<String> {
    host::called();
    wit::members()
}

/// The first unclaimed block that lies in the range as a whole and begins above `after`.
pub fn next_unclaimed(within: IpRange, after: Option<IpAddr>) -> Option<IpNet> {
    host::called();
    let found = wit::next_unclaimed(convert::range_out(within), after.map(convert::address_out));
    found.map(|block| convert::prefix_in(&block))
}

/// How many unclaimed blocks lie in the range as a whole; `u64::MAX` stands for that many or more.
pub fn unclaimed_count(within: IpRange) -> u64 {
    host::called();
    wit::unclaimed_count(convert::range_out(within))
}

/// The blocks this member holds, in address order.
pub fn claimed() -> Vec<IpNet> {
    host::called();
    wit::claimed().iter().map(convert::prefix_in).collect()
}

/// The member that holds the block in which this address lies, as far as the host knows. None does not prove that no member
/// does.
pub fn holder(address: IpAddr) -> Option<String> {
    host::called();
    wit::holder(convert::address_out(address))
}
