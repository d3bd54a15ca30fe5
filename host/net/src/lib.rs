//! Kernel networking for Gingham, by synchronous netlink: network namespaces, bridges, veth pairs, addresses, routes,
//! sysctls and masquerade.
//!
//! Nothing here knows of CNI, pools or policies, and nothing starts a process.

pub mod masquerade;
pub mod netlink;
pub mod netns;
mod nftables;
