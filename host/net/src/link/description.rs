//! An interface as the kernel describes it.

use crate::Mac;
use crate::operational_state::OperationalState;

/// An interface as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number, unique in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its Ethernet address, if it is Ethernet.
    pub mac: Option<Mac>,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// The kind of a virtual interface: `"bridge"`, `"veth"`, … A physical one has none.
    pub kind: Option<String>,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether someone set it promiscuous (not: whether a packet capture is running).
    pub promiscuous: bool,
    /// Whether packets pass.
    pub state: OperationalState,
    /// The index of the bridge or other interface that it is a port of.
    pub master: Option<u32>,
    /// The index of the interface it belongs to; for a veth its other end, which may be in another namespace.
    pub peer: Option<u32>,
    /// The number that this namespace has given to the peer's namespace, if it is another one.
    pub peer_netns: Option<i32>,
    /// Free text that was attached to it.
    pub alias: Option<String>,
    /// Its settings as a port, if it is a bridge's port.
    pub port: Option<BridgePort>,
    /// What it does with VLANs, if it is a bridge and the kernel has VLAN filtering.
    pub vlans: Option<VlanFiltering>,
}

impl Link {
    /// Whether it is a bridge.
    pub fn is_bridge(&self) -> bool {
        self.kind.as_deref() == Some("bridge")
    }

    /// Whether it is an end of a veth pair.
    pub fn is_veth(&self) -> bool {
        self.kind.as_deref() == Some("veth")
    }
}

/// What a bridge does with one of its ports. The default is what the kernel gives a new port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BridgePort {
    /// Whether frames may go back out of the port they came in by.
    pub hairpin: bool,
    /// Whether frames to and from other isolated ports are dropped.
    pub isolated: bool,
}

/// What a bridge does with VLANs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanFiltering {
    /// Whether it looks at the VLANs of frames at all.
    pub on: bool,
    /// The VLAN that it gives to each new port, untagged.
    pub default_vlan: Option<u16>,
}
