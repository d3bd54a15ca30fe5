//! Nodes of a cluster: namespaces with an uplink, a bridge and containers.

use std::net::{IpAddr, UdpSocket};

use gingham_net::bridge::{self, Bridge};
use gingham_net::masquerade::{self, MasqueradeError, Masqueraded, Outcome};
use gingham_net::node_routes::{self, Mode, NodeRoutesError, Peer, Report, Vxlan, Wanted};
use gingham_net::sysctl;
use gingham_testbed::cable::{Cable, Port};
use gingham_testbed::machine::Machine;
use ipnet::IpNet;

use super::{Container, Kernel, net, nets, source_seen, udp};

pub(crate) const NETWORK: &str = "mynet";
pub(crate) const RANGES: [&str; 2] = ["10.32.0.0/12", "fd00:10::/64"];

/// Has its link-local addresses immediately, and asks nobody for duplicates.
fn machine(name: String) -> Machine {
    let prepare = || {
        sysctl::set("ipv6/conf/default/accept_dad", "0")?;
        Ok(sysctl::set("ipv6/conf/all/accept_dad", "0")?)
    };
    Machine::new(name, prepare).expect("namespaces of a machine")
}

/// Runs `work` on a machine.
fn on<T: Send>(machine: &Machine, work: impl FnOnce(&mut Kernel) -> T + Send) -> T {
    machine.on(|| work(&mut Kernel::open().expect("a netlink socket"))).expect("entering the machine")
}

/// What several nodes are plugged into.
pub(crate) struct Switch {
    machine: Machine,
    bridge: Bridge,
}

impl Switch {
    pub(crate) fn new() -> Self {
        let machine = machine("switch".to_owned());
        let bridge = on(&machine, |kernel| bridge::ensure(kernel, "switch", None, false).unwrap());
        Self { machine, bridge }
    }

    /// Plugs a node in, with addresses on its interface `eth0`.
    pub(crate) fn plug(&self, number: u8, node: &Node, addresses: &[&str]) {
        self.plug_as(number, node, "eth0", addresses);
    }

    pub(crate) fn plug_as(&self, number: u8, node: &Node, interface: &str, addresses: &[&str]) {
        let (port, addresses) = (format!("port{number}"), nets(addresses));
        let to = Port::Switch(&self.bridge);
        let cable = Cable { port: &port, to, interface, addresses: &addresses, gateways: &[] };
        on(&self.machine, |kernel| cable.connect(kernel, node.machine.network()).expect("a link to the switch"));
    }
}

/// A router with an interface per node.
pub(crate) struct Router {
    machine: Machine,
}

impl Router {
    pub(crate) fn new() -> Self {
        let machine = machine("router".to_owned());
        on(&machine, |_| {
            sysctl::forward_ipv4().unwrap();
            sysctl::forward_ipv6().unwrap();
        });
        Self { machine }
    }

    /// Connects a node by a link of its own, with a default route to the router's `gateways`.
    pub(crate) fn connect(&self, number: u8, node: &Node, gateways: &[&str], addresses: &[&str]) {
        let (port, own, addresses) = (format!("to{number}"), nets(gateways), nets(addresses));
        let gateways: Vec<IpAddr> = own.iter().map(IpNet::addr).collect();
        let to = Port::Router(&own);
        let cable = Cable { port: &port, to, interface: "eth0", addresses: &addresses, gateways: &gateways };
        on(&self.machine, |kernel| cable.connect(kernel, node.machine.network()).expect("a link to the router"));
    }
}

/// A node of the cluster, number 0, 1, 2, …: its blocks are `10.(32 + number).0.0/24` and `fd00:10::NUMBER:0/112`, its
/// own addresses their `.1`, and its one container's their `.2`.
pub(crate) struct Node {
    pub(crate) number: u8,
    machine: Machine,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) pod: Option<Container>,
}

impl Node {
    pub(crate) fn new(number: u8, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|address| net(address).addr()).collect();
        Self { number, machine: machine(format!("node-{number}")), addresses, pod: None }
    }

    pub(crate) fn name(&self) -> String {
        self.machine.name.clone()
    }

    /// Runs `work` on the node.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce(&mut Kernel) -> T + Send) -> T {
        on(&self.machine, work)
    }

    /// The node's address (1) or its container's (2).
    pub(crate) fn v4(&self, last: u8) -> IpAddr {
        IpAddr::from([10, 32 + self.number, 0, last])
    }

    pub(crate) fn v6(&self, last: u16) -> IpAddr {
        IpAddr::from([0xfd00, 0x10, 0, 0, 0, 0, u16::from(self.number), last])
    }

    pub(crate) fn blocks(&self) -> Vec<IpNet> {
        vec![net(&format!("{}/24", self.v4(0))), net(&format!("{}/112", self.v6(0)))]
    }

    /// Makes the bridge with the node's own addresses, masquerades the ranges, and lets a container join.
    pub(crate) fn start(&mut self, mtu: Option<u32>) {
        let [range4, range6] = RANGES.map(net);
        let networks = [
            node_routes::container_network(self.v4(2), range4, self.v4(1)),
            node_routes::container_network(self.v6(2), range6, self.v6(1)),
        ];
        let addresses: Vec<_> = networks.iter().map(|(address, _)| address.to_string()).collect();
        let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
        let routes: Vec<_> = networks.iter().flat_map(|(_, routes)| routes.iter().copied()).collect();
        let own = [format!("{}/12", self.v4(1)), format!("{}/64", self.v6(1))];
        self.pod = Some(self.inside(|kernel| {
            let bridge = bridge::ensure(kernel, "br0", mtu, false).unwrap();
            for own in &own {
                bridge::ensure_address(kernel, &bridge, net(own), false).unwrap();
            }
            let wanted = Masqueraded { addresses: [self.v4(2), self.v6(2)].into(), within: RANGES.map(net).into() };
            let restored = masquerade::restore(&mut masquerade::open(NETWORK).unwrap(), NETWORK, |_| {
                Ok::<_, MasqueradeError>(wanted.clone())
            });
            assert_eq!(restored, Ok(Outcome::Installed));
            Container::join(kernel, &bridge, 1, &addresses, &routes)
        }));
    }

    pub(crate) fn pod(&self) -> &Container {
        self.pod.as_ref().expect("a started node")
    }

    /// How the others see it.
    pub(crate) fn peer(&self) -> Peer {
        Peer {
            name: self.name(),
            addresses: self.addresses.clone(),
            vxlan_mac: Some(node_routes::device_mac(NETWORK, &self.name())),
            blocks: self.blocks(),
        }
    }

    /// What the node wants, where `others` may contain itself.
    pub(crate) fn wanted(&self, mode: Mode, others: &[Self]) -> Wanted {
        let peers = others.iter().filter(|other| other.number != self.number).map(Self::peer).collect();
        Wanted { network: NETWORK.to_owned(), mode, bridge: "br0".to_owned(), ranges: RANGES.map(net).into(), peers }
    }

    pub(crate) fn vxlan(&self, local: usize) -> Mode {
        Mode::Vxlan(Vxlan {
            id: node_routes::network_identifier(NETWORK),
            port: node_routes::DEFAULT_PORT,
            local: self.addresses[local],
            mac: node_routes::device_mac(NETWORK, &self.name()),
        })
    }

    pub(crate) fn try_reconcile(&self, wanted: &Wanted) -> Result<Report, NodeRoutesError> {
        self.inside(|kernel| node_routes::reconcile(kernel, wanted))
    }

    /// Reconciles, and nothing may stand in the way.
    pub(crate) fn reconcile(&self, wanted: &Wanted) -> Report {
        let report = self.try_reconcile(wanted).unwrap();
        assert_eq!((&report.problems[..], &report.conflicts[..]), (&[][..], &[][..]));
        report
    }

    /// Destinations of our routes, and through what.
    pub(crate) fn routes(&self) -> Vec<String> {
        let ranges = RANGES.map(net);
        let routes = self.inside(|kernel| node_routes::list(kernel, &ranges).unwrap());
        routes
            .into_iter()
            .map(|it| format!("{} via {}", it.destination, it.gateway.map_or("?".to_owned(), |it| it.to_string())))
            .collect()
    }

    /// Whether the kernel tells of changes of links, neighbours or routes while `work` runs.
    pub(crate) fn news_of(&self, work: impl FnOnce() + Send) -> bool {
        // RTNLGRP_LINK, _NEIGH, _IPV4_ROUTE, _IPV6_ROUTE.
        let mut news = self.inside(|_| {
            let mut news = Kernel::open().unwrap();
            for group in [1, 3, 7, 11] {
                news.subscribe("subscribe", group).unwrap();
            }
            news
        });
        // What is still on its way from before.
        while news.wait("wait", std::time::Duration::from_millis(300)).unwrap() {}
        work();
        news.wait("wait", std::time::Duration::from_millis(1)).unwrap()
    }
}

/// Asks from one container to another and checks that each sees the other's own address.
pub(crate) fn converse(from: &Node, to: &Node) {
    for (source, destination) in [(from.v4(2), to.v4(2)), (from.v6(2), to.v6(2))] {
        assert_eq!(source_seen(&from.pod().udp(&source.to_string()), &to.pod().udp(&destination.to_string())), source);
    }
}

/// A UDP socket of the node itself, without an address of its own.
pub(crate) fn udp_of(node: &Node, v4: bool) -> UdpSocket {
    node.inside(|_| udp(if v4 { "0.0.0.0" } else { "::" }))
}
