use std::net::IpAddr;

use crate::NetError;

/// Why routes to no other node can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeRoutesError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(
        "no interface of this node has the node address {address}; set cluster.address to an address of the interface that leads to the other nodes"
    )]
    NotThisMachines { address: IpAddr },
    #[error(
        "interface {device:?} exists but is not the vxlan device of network {network:?}; remove or rename the interface"
    )]
    NotOurs { device: String, network: String },
    #[error(
        "another vxlan device of this node uses VNI {id} on UDP port {port}; give network {network:?} another vxlan.id or vxlan.port, the same on all nodes"
    )]
    IdentifierTaken { network: String, id: u32, port: u16 },
    #[error("vxlan.id: invalid VXLAN network identifier {id}: use a number from 1 to 16777215")]
    BadIdentifier { id: u32 },
    #[error(
        "the MTU {mtu} of {interface:?} is too small for vxlan: its headers take {overhead} bytes and IP requires 1280; use a larger MTU"
    )]
    MtuTooSmall {
        /// The one that leads to the other nodes.
        interface: String,
        mtu: u32,
        /// Bytes of headers that vxlan adds.
        overhead: u32,
    },
}
