//! The container's side: everything its interface needs, in the order the kernel needs it.

use std::time::Duration;

use ipnet::IpNet;

use crate::address::{self, DuplicateDetection};
use crate::link::{self, Change, Which};
use crate::netlink::{self, Socket};
use crate::route::{self, Route};
use crate::{NetError, sysctl};

/// Duplicate address detection takes one to two seconds.
const DETECTION_PATIENCE: Duration = Duration::from_secs(5);

/// How a container's interface is to be.
#[derive(Debug, Clone, Copy)]
pub struct Interface<'a> {
    /// Its index in the container.
    pub index: u32,
    /// Its name in the container.
    pub name: &'a str,
    /// Its addresses with the prefix length of their network.
    pub addresses: &'a [IpNet],
    /// Its routes. Networks of the addresses need none.
    pub routes: &'a [Route],
    /// Whether IPv6 addresses are tried out on the network first.
    pub detection: DuplicateDetection,
}

/// Gives a container's interface its settings, addresses and routes and sets it up.
///
/// Must be called in the container's namespace: within [`NetNs::enter`](crate::netns::NetNs::enter), with a socket
/// that was opened there.
///
/// # Errors
/// The kernel refuses a step; what was done before stays, and goes away with the interface.
pub fn configure(kernel: &mut Socket<netlink::Route>, interface: &Interface<'_>) -> Result<(), NetError> {
    // The kernel reads these when the interface comes up.
    announce_itself(interface);
    let ipv6 = interface.addresses.iter().any(|net| matches!(net, IpNet::V6(_)));
    if ipv6 {
        enable_ipv6(interface.name)?;
    }
    for net in interface.addresses {
        address::add(kernel, interface.index, *net, interface.detection)?;
    }
    set_up(kernel, interface.index)?;
    if ipv6 && interface.detection == DuplicateDetection::On {
        // A route's gateway is looked for by an address, so none may be tentative.
        address::settle(kernel, interface.index, interface.name, DETECTION_PATIENCE)?;
    }
    for route in interface.routes {
        route::add(kernel, interface.index, route)?;
    }
    Ok(())
}

/// Sets an interface up, for a container that gets no addresses.
///
/// # Errors
/// The kernel refuses.
pub fn set_up(kernel: &mut Socket<netlink::Route>, interface: u32) -> Result<(), NetError> {
    link::change(kernel, Which::Index(interface), &Change { up: Some(true), ..Change::default() })
}

/// Lets neighbours learn of the interface's addresses when it comes up, and asks for duplicates or not.
///
/// All this is comfort: a kernel without IPv6 has not all of it, a read-only /proc/sys refuses it, and the container
/// works without.
fn announce_itself(interface: &Interface<'_>) {
    let name = interface.name;
    let _ = sysctl::set(&format!("ipv4/conf/{name}/arp_notify"), "1");
    match interface.detection {
        DuplicateDetection::Off => {
            let _ = sysctl::set(&format!("ipv6/conf/{name}/accept_dad"), "0");
        }
        DuplicateDetection::On => {
            let _ = sysctl::set(&format!("ipv6/conf/{name}/enhanced_dad"), "1");
            let _ = sysctl::set(&format!("ipv6/conf/{name}/accept_dad"), "1");
        }
    }
}

/// Runtimes like to switch IPv6 off in new namespaces.
fn enable_ipv6(name: &str) -> Result<(), NetError> {
    sysctl::set("ipv6/conf/lo/disable_ipv6", "0")?;
    sysctl::set(&format!("ipv6/conf/{name}/disable_ipv6"), "0")?;
    sysctl::set(&format!("ipv6/conf/{name}/keep_addr_on_down"), "1")
}
