//! Nodes on one link with an etcd between them. Those that join by the library are addresses of this namespace alone;
//! those that run programs are namespaces.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};

use gingham_net::address::{self, DuplicateDetection};
use gingham_net::bridge::{self, Bridge};
use gingham_net::container::{self, Interface};
use gingham_net::link::{self, BridgePort, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use gingham_net::veth::{self, Pair};
use ipnet::IpNet;

/// Where etcd is.
pub(super) const BETWEEN: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// The link's prefix.
const LENGTH: u8 = 15;

const UPLINK: &str = "uplink0";

/// The link.
pub(super) struct Site {
    switch: Bridge,
}

/// A node that is a namespace.
pub(super) struct Node {
    pub(super) namespace: NetNs,
    pub(super) address: Ipv4Addr,
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

impl Site {
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
        let namespace = NetNs::create()?;
        let address = offset(0x1_0000, number);
        let port = format!("port{number}");
        let pair = Pair {
            host_name: &port,
            container_name: UPLINK,
            container: &namespace,
            mac: None,
            mtu: None,
            bridge: Some(self.switch.index),
            port: BridgePort::default(),
            alias: None,
        };
        let veth = veth::create(&mut kernel, &pair)?;
        let interface = Interface {
            index: veth.container_index,
            name: UPLINK,
            addresses: &[net(address, LENGTH)?],
            routes: &[],
            detection: DuplicateDetection::Off,
        };
        container::configure(&namespace, &interface)?;
        bridge::wait_until_forwarding(&mut kernel, &self.switch, veth.host_index, std::time::Duration::from_secs(10))?;
        Ok(Node { namespace, address })
    }
}

impl Node {
    /// As others reach it.
    pub(super) fn ip(&self) -> IpAddr {
        self.address.into()
    }
}
