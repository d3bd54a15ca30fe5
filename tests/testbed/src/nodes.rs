//! Nodes with a link between them.
//!
//! Their links end in the namespace of the thread that makes them: a server that it starts is reached by all of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::thread;
use std::time::{Duration, Instant};

use gingham_net::address::{self, DuplicateDetection};
use gingham_net::bridge::{self, Bridge};
use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::sysctl;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::TestbedError;
use crate::cable::{Cable, Port};
use crate::machine::Machine;

/// A node's interface to the others.
pub const UPLINK: &str = "uplink0";

/// Where all nodes reach what runs between them, however they are connected.
pub const BETWEEN: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// The same on the link of [`Topology::OneLink`].
pub const SWITCH: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);

/// Longer than the kernel takes to end namespaces.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// How the nodes are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// All on one link: 192.0.2.1, 192.0.2.2, …
    OneLink,
    /// The same, and they know each other by IPv6: `2001:db8::1`, `2001:db8::2`, …
    OneLinkIpv6,
    /// Each behind a router of its own subnet: 192.0.2.2/30, 192.0.2.6/30, …
    Routed,
}

#[derive(Debug)]
pub struct Node {
    /// Its name is `node-1`, …
    pub machine: Machine,
    /// Its address towards the others.
    pub address: IpAddr,
    /// The other end of its link.
    port: String,
}

/// Makes `count` nodes, numbered from 1. `prepare` runs on each before it is connected.
///
/// # Errors
/// The system does not allow it.
pub fn create(
    count: u8,
    topology: Topology,
    prepare: impl Fn(u8) -> Result<(), TestbedError> + Sync,
) -> Result<Vec<Node>, TestbedError> {
    let mut kernel = Socket::<Route>::open()?;
    link::change(&mut kernel, Which::Name("lo"), &Change { up: Some(true), ..Change::default() })?;
    let lo = link::by_name(&mut kernel, "lo")?.map_or(1, |lo| lo.index);
    address::add(&mut kernel, lo, net(BETWEEN, 32), DuplicateDetection::Off)?;
    let switch = if topology == Topology::Routed {
        sysctl::forward_ipv4()?;
        None
    } else {
        Some(switch(&mut kernel)?)
    };
    (1..=count).map(|number| Node::new(&mut kernel, number, topology, switch.as_ref(), &prepare)).collect()
}

fn switch(kernel: &mut Socket<Route>) -> Result<Bridge, TestbedError> {
    let switch = bridge::ensure(kernel, "switch", None, false)?;
    bridge::ensure_address(kernel, &switch, net(SWITCH, 24), false)?;
    Ok(switch)
}

fn net(address: Ipv4Addr, length: u8) -> IpNet {
    Ipv4Net::new_assert(address, length).into()
}

impl Node {
    fn new(
        kernel: &mut Socket<Route>,
        number: u8,
        topology: Topology,
        switch: Option<&Bridge>,
        prepare: &(impl Fn(u8) -> Result<(), TestbedError> + Sync),
    ) -> Result<Self, TestbedError> {
        let machine = Machine::new(format!("node-{number}"), || prepare(number))?;
        let first_of_subnet = 4 * (number - 1);
        let (own, router, length) = match switch {
            Some(_) => (number, SWITCH, 24),
            None => (first_of_subnet + 2, Ipv4Addr::new(192, 0, 2, first_of_subnet + 1), 30),
        };
        let mut addresses = vec![net(Ipv4Addr::new(192, 0, 2, own), length)];
        if topology == Topology::OneLinkIpv6 {
            let own = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into());
            addresses.insert(0, Ipv6Net::new_assert(own, 64).into());
        }
        let port = format!("port{number}");
        let on_router = [net(router, length)];
        let cable = Cable {
            port: &port,
            to: switch.map_or(Port::Router(&on_router), Port::Switch),
            interface: UPLINK,
            addresses: &addresses,
            gateways: &[router.into()],
        };
        cable.connect(kernel, machine.network())?;
        Ok(Self { machine, address: addresses[0].addr(), port })
    }

    /// Pulls the node's cable, or plugs it in again. To be called where the nodes were made.
    ///
    /// # Errors
    /// The kernel does not allow it.
    pub fn set_connected(&self, yes: bool) -> Result<(), TestbedError> {
        let change = Change { up: Some(yes), ..Change::default() };
        Ok(link::change(&mut Socket::<Route>::open()?, Which::Name(&self.port), &change)?)
    }

    /// Ends the node as a loss of power does: its namespaces go with all that is in them. Returns when its link is gone,
    /// which wants that nothing else keeps them.
    ///
    /// # Errors
    /// The link stays.
    pub fn end(self) -> Result<(), TestbedError> {
        let Self { machine, port, .. } = self;
        let node = machine.name.clone();
        drop(machine);
        let mut kernel = Socket::<Route>::open()?;
        let deadline = Instant::now() + END_TIMEOUT;
        while link::by_name(&mut kernel, &port)?.is_some() {
            if Instant::now() >= deadline {
                return Err(TestbedError::LinkRemains { node, seconds: END_TIMEOUT.as_secs() });
            }
            // The kernel ends namespaces in the background and announces only this.
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}
