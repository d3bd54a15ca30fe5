//! What stands in the way of reaching any other node.

use std::net::IpAddr;

use crate::NetError;

/// Why nothing could be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReachError {
    /// The kernel refused.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The address that the other nodes send to is not this machine's.
    #[error(
        "the node address {address} is on no interface of this machine; set cluster.address to an address of the interface that leads to the other nodes"
    )]
    NotThisMachines {
        /// The address.
        address: IpAddr,
    },
    /// Something else has the name of the vxlan device.
    #[error(
        "there is an interface {device:?} already that is not the vxlan device of network {network:?}; remove or rename it"
    )]
    NotOurs {
        /// The device's name.
        device: String,
        /// The network.
        network: String,
    },
    /// Another vxlan device has the identifier and port.
    #[error(
        "another vxlan device of this machine uses VNI {id} on UDP port {port}; give network {network:?} another vxlan.id or vxlan.port, the same on all nodes"
    )]
    IdentifierTaken {
        /// The network.
        network: String,
        /// The VXLAN network identifier.
        id: u32,
        /// The UDP port.
        port: u16,
    },
    /// Not a VXLAN network identifier.
    #[error("vxlan.id {id} is not possible: it must be 1 to 16777215")]
    BadIdentifier {
        /// The number.
        id: u32,
    },
    /// Packets of the least size that IP demands would not fit.
    #[error(
        "the MTU {mtu} of {interface:?} is too small for vxlan: {overhead} bytes are needed for its headers and 1280 for the packet"
    )]
    MtuTooSmall {
        /// The interface that leads to the other nodes.
        interface: String,
        /// Its MTU in bytes.
        mtu: u32,
        /// The bytes that vxlan adds.
        overhead: u32,
    },
}
