//! Kernel networking for Gingham, by synchronous netlink: network namespaces, bridges, veth pairs, addresses, routes,
//! sysctls, VLANs of bridge ports, masquerade, MAC filters and the routes to other nodes.
//!
//! Every function takes the socket of the namespace that it works in, so a caller needs one socket a namespace.
//! Nothing here knows of CNI, pools or policies, and nothing starts a process.

pub mod address;
pub mod bridge;
pub mod container;
mod error;
pub mod link;
mod mac;
pub mod mac_filter;
pub mod masquerade;
pub mod netlink;
pub mod netns;
mod nftables;
pub mod node_routes;
pub mod notice;
mod operational_state;
pub mod route;
pub mod sysctl;
mod truncated_name;
pub mod veth;
pub mod vlan;

pub use error::{NetError, SysctlUnset};
pub use mac::Mac;
pub use truncated_name::truncate_name;
