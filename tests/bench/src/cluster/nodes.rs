//! Nodes on one link with an etcd between them. Those that join by the library are addresses of this namespace alone;
//! those that run programs are namespaces.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};

use gingham_net::address::{self, DuplicateDetection};
use gingham_net::bridge::{self, Bridge};
use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_testbed::cable::{Cable, Port};
use gingham_testbed::machine::Machine;
pub(super) use gingham_testbed::nodes::BETWEEN;
use gingham_testbed::nodes::UPLINK;
use ipnet::IpNet;

/// The link's prefix.
const LENGTH: u8 = 15;

/// What the nodes are connected to.
pub(super) struct Link {
    switch: Bridge,
}

/// A node that runs programs.
pub(super) struct Node {
    pub(super) machine: Machine,
    pub(super) address: IpAddr,
}

/// The address of a node that joins by the library.
pub(super) fn address(number: usize) -> Ipv4Addr {
    offset(0x100, number)
}

fn offset(first: u32, number: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + first + u32::try_from(number).unwrap_or(u32::MAX))
}

fn net(address: Ipv4Addr, length: u8) -> Result<IpNet, ipnet::PrefixLenError> {
    IpNet::new(address.into(), length)
}

impl Link {
    /// A link, and so many nodes on it that are no more than addresses.
    pub(super) fn new(nodes: usize) -> Result<Self, Box<dyn Error>> {
        let mut kernel = Socket::<Route>::open()?;
        let up = Change { up: Some(true), ..Change::default() };
        link::change(&mut kernel, Which::Name("lo"), &up)?;
        let lo = link::by_name(&mut kernel, "lo")?.ok_or("no loopback")?.index;
        for number in 0..nodes {
            address::add(&mut kernel, lo, net(address(number), 32)?, DuplicateDetection::Off)?;
        }
        let switch = bridge::ensure(&mut kernel, "switch", None, false)?;
        bridge::ensure_address(&mut kernel, &switch, net(BETWEEN, LENGTH)?, false)?;
        Ok(Self { switch })
    }

    /// A node of its own. `number` is that of no other.
    pub(super) fn node(&self, number: usize) -> Result<Node, Box<dyn Error>> {
        let mut kernel = Socket::<Route>::open()?;
        let machine = Machine::new(format!("node {number}"), || Ok(()))?;
        let (address, port) = (offset(0x1_0000, number), format!("port{number}"));
        let cable = Cable {
            port: &port,
            to: Port::Switch(&self.switch),
            interface: UPLINK,
            addresses: &[net(address, LENGTH)?],
            gateways: &[],
        };
        cable.connect(&mut kernel, machine.network())?;
        Ok(Node { machine, address: address.into() })
    }
}
