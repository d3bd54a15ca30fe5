//! What can go wrong between this crate and the kernel.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::netlink::{ErrorKind, NetlinkError};
use crate::netns::NetnsError;
use crate::operational_state::OperationalState;

/// A kernel networking operation that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// The kernel refused a request.
    #[error("cannot {} {object}: {}", source.operation, source.reason())]
    Kernel {
        /// What it was about: an interface, an address on an interface, a route.
        object: String,
        /// The refusal.
        source: NetlinkError,
    },
    /// No interface has this name.
    #[error("interface {name:?} does not exist")]
    NoSuchInterface {
        /// The name that was looked for.
        name: String,
    },
    /// The name cannot be an interface's.
    #[error(
        "{name:?} cannot be the name of an interface: it must have 1 to 15 bytes, no '/', ':' or white space, and not be \".\" or \"..\""
    )]
    BadInterfaceName {
        /// The name.
        name: String,
    },
    /// An interface of the bridge's name is something else.
    #[error("{name:?} already exists but is not a bridge; remove it or configure another bridge name")]
    NotABridge {
        /// The interface's name.
        name: String,
    },
    /// The kernel was built without a part that VLANs on a bridge need.
    #[error(
        "vlan and vlanTrunk need a bridge that filters VLANs, and this kernel has none (CONFIG_BRIDGE_VLAN_FILTERING is \
         not set); use a kernel that has it, or remove the keys"
    )]
    NoVlanFiltering,
    /// The bridge is there and passes frames of all VLANs to all ports.
    #[error(
        "vlan and vlanTrunk need a bridge that filters VLANs, and {bridge:?} does not; \
         switch it on with `ip link set {bridge} type bridge vlan_filtering 1`, or configure another bridge"
    )]
    VlansNotFiltered {
        /// The bridge's name.
        bridge: String,
    },
    /// An interface has the name of a VLAN's gateway and is something else.
    #[error(
        "{name:?}, the name for the gateway of VLAN {vlan}, already exists but does not lead to the bridge \
         {bridge:?}; remove it, or configure another bridge name"
    )]
    NotAVlanGateway {
        /// The interface's name.
        name: String,
        /// The VLAN's number.
        vlan: u16,
        /// The bridge's name.
        bridge: String,
    },
    /// The bridge has an address that excludes the wanted one.
    #[error("{bridge:?} already has an IP address different from {wanted}: {present}; remove it or set forceAddress")]
    AddressConflict {
        /// The bridge's name.
        bridge: String,
        /// The address it should get.
        wanted: IpNet,
        /// The address it has.
        present: IpNet,
    },
    /// The container has an interface of that name already.
    #[error("the container already has an interface {name:?}")]
    ContainerInterfaceExists {
        /// The interface's name.
        name: String,
    },
    /// The host has an interface of that name already.
    #[error("the host already has an interface {name:?}")]
    HostInterfaceExists {
        /// The interface's name.
        name: String,
    },
    /// Not an Ethernet address that an interface can have.
    #[error(
        "{mac:?} cannot be an interface's MAC address: six hexadecimal bytes like c2:11:22:33:44:55 are needed, not a multicast address and not all zero"
    )]
    BadMac {
        /// The text or address.
        mac: String,
    },
    /// An address of another kind of network than Ethernet.
    #[error(
        "{mac:?} cannot be an interface's MAC address: it has {length} bytes, and Ethernet's have 6, as in c2:11:22:33:44:55"
    )]
    NotEthernet {
        /// The text.
        mac: String,
        /// Its bytes.
        length: usize,
    },
    /// An interface did not become operational.
    #[error("the interface {name:?} is not up {} ms after both its ends were set up: its state is {state}", waited.as_millis())]
    NotOperational {
        /// The interface's name.
        name: String,
        /// The state it is in.
        state: OperationalState,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Another machine on the network has the address.
    #[error(
        "the address {address} of {interface:?} is used by another machine on the network (duplicate address detection)"
    )]
    DuplicateAddress {
        /// The interface's name.
        interface: String,
        /// The address.
        address: IpNet,
    },
    /// An IPv6 address did not become usable; with duplicate address detection, that did not end.
    #[error("the address {address} of {interface:?} is not usable {} ms after it was added", waited.as_millis())]
    AddressNotReady {
        /// The interface's name.
        interface: String,
        /// The address.
        address: IpNet,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A kernel setting could not be read.
    #[error("cannot read the sysctl {setting} at {}: {source}", path.display())]
    Sysctl {
        /// Its full name.
        setting: String,
        /// The setting's file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A kernel setting could not be written.
    #[error(transparent)]
    SysctlUnset(#[from] Box<SysctlUnset>),
    /// The kernel's random number generator failed.
    #[error("cannot get random bytes for {purpose}: {source}")]
    Randomness {
        /// What they are for.
        purpose: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// The network namespace could not be used.
    #[error(transparent)]
    Namespace(#[from] NetnsError),
}

impl NetError {
    /// The kind of the kernel's refusal, if it was one.
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Kernel { source, .. } => Some(source.kind),
            _ => None,
        }
    }
}

/// A kernel setting that could not be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot set the sysctl {setting} to {wanted}: it is {present}, and writing {} failed: {source}; set it before, where \
     /proc/sys is writable, with `sysctl -w {setting}={wanted}`",
    path.display()
)]
pub struct SysctlUnset {
    /// Its full name.
    pub setting: String,
    /// What it should be.
    pub wanted: String,
    /// What it is.
    pub present: String,
    /// The setting's file.
    pub path: PathBuf,
    /// The reason.
    pub source: io::Error,
}

/// Adds the object to a refusal.
pub(crate) trait About<T> {
    fn about(self, object: impl FnOnce() -> String) -> Result<T, NetError>;
}

impl<T> About<T> for Result<T, NetlinkError> {
    fn about(self, object: impl FnOnce() -> String) -> Result<T, NetError> {
        self.map_err(|source| NetError::Kernel { object: object(), source })
    }
}
