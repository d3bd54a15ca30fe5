//! Kernel networking for Gingham, by synchronous netlink: network namespaces, bridges, veth pairs, addresses, routes,
//! sysctls, VLANs of bridge ports, masquerade, guards against spoofed Ethernet addresses and the ways to other nodes.
//!
//! Every function takes the socket of the namespace that it works in, so a caller needs one socket a namespace.
//! Nothing here knows of CNI, pools or policies, and nothing starts a process.

pub mod address;
pub mod bridge;
pub mod container;
mod error;
pub mod link;
mod mac;
pub mod masquerade;
pub mod netlink;
pub mod netns;
mod nftables;
pub mod notice;
mod operational_state;
pub mod reach;
pub mod route;
mod short_name;
pub mod spoofing;
pub mod sysctl;
pub mod veth;
pub mod vlan;

pub use error::{NetError, SysctlUnset};
pub use mac::Mac;
pub use short_name::short_name;
