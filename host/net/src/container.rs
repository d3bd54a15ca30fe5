//! The container's side: everything its interface needs, in the order the kernel needs it.

use std::time::Duration;

use ipnet::IpNet;

use crate::address::{self, DuplicateDetection};
use crate::error::About;
use crate::link::{self, Change, Which};
use crate::netlink::{self, Socket};
use crate::netns::NetNs;
use crate::route::{self, Route};
use crate::{Mac, NetError, sysctl};

/// Duplicate address detection takes one to two seconds; without it the kernel is ready at once, unless very busy.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(5);

/// How a container's interface is to be.
#[derive(Debug, Clone, Copy)]
pub struct Interface<'a> {
    /// Its index in the container.
    pub index: u32,
    /// Its name in the container.
    pub name: &'a str,
    /// Its addresses with the prefix length of their network. None for a container that only gets a link.
    pub addresses: &'a [IpNet],
    /// Its routes. Networks of the addresses need none.
    pub routes: &'a [Route],
    /// Whether IPv6 addresses are tried out on the network first.
    pub detection: DuplicateDetection,
}

/// Gives a container's interface its settings and addresses, sets it up, and gives it its routes. Returns a socket of
/// the container's namespace for what comes after.
///
/// # Errors
/// The kernel refuses a step; what was done before stays, and goes away with the interface.
pub fn configure(container: &NetNs, interface: &Interface<'_>) -> Result<Socket<netlink::Route>, NetError> {
    container.enter(|| {
        let mut kernel = Socket::open().about(|| format!("of the container at {}", container.path().display()))?;
        configure_inside(&mut kernel, interface)?;
        Ok(kernel)
    })?
}

fn configure_inside(kernel: &mut Socket<netlink::Route>, interface: &Interface<'_>) -> Result<(), NetError> {
    let ipv6 = interface.addresses.iter().any(|net| matches!(net, IpNet::V6(_)));
    // The kernel reads the settings when the interface comes up.
    make_neighbourly(interface, ipv6);
    if ipv6 {
        enable_ipv6(interface.name)?;
    }
    for net in interface.addresses {
        address::add(kernel, interface.index, *net, interface.detection)?;
    }
    let up = Change { up: Some(true), ..Change::default() };
    link::change(kernel, Which::Index(interface.index), &up)?;
    // Before the routes: a gateway is looked for by an address, so none may be tentative.
    address::wait_until_usable(kernel, interface.index, interface.name, interface.addresses, ADDRESS_PATIENCE)?;
    for route in interface.routes {
        route::add(kernel, interface.index, route)?;
    }
    Ok(())
}

/// Tells the neighbours who has the interface's addresses now, so that those who knew an earlier holder of one do not
/// send into the void until they ask again. `kernel` is the container's, `mac` the address that the interface has.
///
/// Call it when the other end is operational: what the kernel announces by itself when the interface comes up, a
/// bridge drops, because its port is not forwarding yet.
///
/// # Errors
/// The kernel refuses.
pub fn announce(kernel: &mut Socket<netlink::Route>, interface: u32, mac: Mac) -> Result<(), NetError> {
    // The kernel announces whenever an Ethernet address is set, whether it is another one or not.
    link::change(kernel, Which::Index(interface), &Change { mac: Some(mac), ..Change::default() })
}

/// Makes the kernel announce the interface's addresses, and ask for duplicates or not.
///
/// All this is comfort: a kernel without IPv6 has not all of it, a read-only `/proc/sys` refuses it, and the container
/// works without.
fn make_neighbourly(interface: &Interface<'_>, ipv6: bool) {
    let set = |family: &str, setting: &str, value: &str| {
        sysctl::prefer(&format!("{family}/conf/{}/{setting}", interface.name), value);
    };
    set("ipv4", "arp_notify", "1");
    if ipv6 {
        set("ipv6", "ndisc_notify", "1");
    }
    match interface.detection {
        DuplicateDetection::Off => set("ipv6", "accept_dad", "0"),
        DuplicateDetection::On => {
            set("ipv6", "enhanced_dad", "1");
            set("ipv6", "accept_dad", "1");
        }
    }
}

/// Runtimes like to switch IPv6 off in new namespaces.
fn enable_ipv6(name: &str) -> Result<(), NetError> {
    sysctl::set("ipv6/conf/lo/disable_ipv6", "0")?;
    sysctl::set(&format!("ipv6/conf/{name}/disable_ipv6"), "0")?;
    sysctl::prefer(&format!("ipv6/conf/{name}/keep_addr_on_down"), "1");
    Ok(())
}
