//! Looks at the kernel's state of one attachment and notes what the container has lost. Each finding names its remedy.

use std::net::IpAddr;
use std::path::Path;

use gingham_cni::config::NetworkName;
use gingham_cni::env::Attachment;
use gingham_cni::error::Code;
use gingham_cni::result::{CniResult, Interface, IpConfig};
use gingham_engine::ledger::AttachmentRecord;
use gingham_net::address::{self, Address};
use gingham_net::link::{self, Link};
use gingham_net::netlink::{self, Socket};
use gingham_net::netns::NetNs;
use gingham_net::{Mac, masquerade, route, vlan};
use gingham_network::alias;
use gingham_network::bridge_config::BridgeConfig;
use gingham_network::error::NetworkError;
use gingham_network::mac_filter;
use gingham_network::plan::HostEnd;
use ipnet::IpNet;

/// What restores a container's own side: nothing less does, once the runtime has started it.
pub(crate) const ATTACH_AGAIN: &str = "recreate the pod, or call DEL and then ADD";

/// What an attachment should have.
pub(crate) struct Expected<'a> {
    /// What the plugins of the chain answered.
    pub(crate) previous: &'a CniResult,
    /// The attachment's own addresses.
    pub(crate) ips: &'a [IpConfig],
    /// What is recorded of it.
    pub(crate) record: &'a AttachmentRecord,
    /// The hardware address that the runtime asked for.
    pub(crate) asked: Option<Mac>,
}

/// An inspection under way. Its steps build on each other: the bridge, the container, the node's end, the rest.
pub(crate) struct Inspection<'a> {
    config: &'a BridgeConfig,
    expected: &'a Expected<'a>,
    host: Socket<netlink::Route>,
    bridge: Option<Link>,
    inside: Option<Inside>,
    /// Another bridge plugin made the link, before the network changed its plugin.
    inherited: bool,
    findings: Vec<String>,
}

/// The container's side.
struct Inside {
    link: Link,
    addresses: Vec<Address>,
    routes: Vec<route::Route>,
}

impl<'a> Inspection<'a> {
    /// Nothing was looked at yet.
    pub(crate) fn new(config: &'a BridgeConfig, expected: &'a Expected<'a>) -> Result<Self, NetworkError> {
        let host = Socket::<netlink::Route>::open()?;
        Ok(Self { config, expected, host, bridge: None, inside: None, inherited: false, findings: Vec::new() })
    }

    /// What was found, as one error.
    pub(crate) fn verdict(self) -> Result<(), NetworkError> {
        NetworkError::join(self.findings.into_iter().map(|text| NetworkError::new(Code::KERNEL, text)))
            .map_or(Ok(()), Err)
    }

    fn expect(&mut self, is_so: bool, otherwise: impl FnOnce() -> String) {
        if !is_so {
            self.findings.push(otherwise());
        }
    }

    /// The bridge is there and works.
    pub(crate) fn bridge(&mut self) -> Result<(), NetworkError> {
        let name = self.config.name.as_str();
        let Some(bridge) = link::by_name(&mut self.host, name)? else {
            self.findings.push(format!("bridge {name} is missing; {ATTACH_AGAIN}, which makes it"));
            return Ok(());
        };
        self.expect(bridge.is_bridge(), || format!("interface {name} is not a bridge; remove it, then {ATTACH_AGAIN}"));
        self.expect(bridge.up, || format!("bridge {name} is down; run ip link set {name} up"));
        self.expect(bridge.promiscuous || !self.config.promiscuous, || {
            format!("bridge {name} is not promiscuous, but promiscMode is set; run ip link set {name} promisc on")
        });
        self.bridge = Some(bridge);
        Ok(())
    }

    /// The container's end is there, in the namespace the result names.
    pub(crate) fn container(&mut self, container: &NetNs, netns: &Path, name: &str) -> Result<(), NetworkError> {
        let mut interfaces = self.expected.previous.interfaces.iter();
        let named = interfaces.find(|named| named.name == name && !named.sandbox.is_empty());
        self.expect(named.is_some(), || format!("prevResult names no interface {name} in a container; {ATTACH_AGAIN}"));
        if let Some(named) = named {
            self.expect(is_same_namespace(&named.sandbox, netns, container), || {
                let netns = netns.display();
                format!(
                    "Sandbox in prevResult {} doesn't match configured netns: {netns}; {ATTACH_AGAIN}",
                    named.sandbox
                )
            });
        }
        let Some(inside) = container.enter(|| look_inside(name))?? else {
            self.findings.push(format!("interface {name} is missing in the container; {ATTACH_AGAIN}"));
            return Ok(());
        };
        self.expect(inside.link.is_veth(), || {
            format!("interface {name} in the container is not a veth; {ATTACH_AGAIN}")
        });
        // One that ADD left down, the container may have set up since.
        self.expect(inside.link.up || !self.config.starts_container_end, || {
            format!("interface {name} in the container is down; run ip link set {name} up there")
        });
        self.asked_mac(&inside.link, named);
        self.inside = Some(inside);
        Ok(())
    }

    /// A hardware address that was asked for is kept, unless a plugin later in the chain set another.
    fn asked_mac(&mut self, link: &Link, named: Option<&Interface>) {
        let named = named.and_then(|named| named.mac.parse::<Mac>().ok());
        self.expect(self.expected.asked.is_none() || named.is_none() || link.mac == named, || {
            let (mac, name) = (link.mac.map(|mac| mac.to_string()).unwrap_or_default(), &link.name);
            let named = named.map(|named| named.to_string()).unwrap_or_default();
            format!("interface {name} has the hardware address {mac}, but {named} was requested; {ATTACH_AGAIN}")
        });
    }

    /// The node's end is there, leads to the container, and is a port of the bridge.
    pub(crate) fn host_end(&mut self, name: &str) -> Result<(), NetworkError> {
        let found = match link::by_name(&mut self.host, name)? {
            None => self.inherited_end()?,
            found => found,
        };
        let Some(link) = found else {
            self.findings.push(format!("interface {name}, the node's end of the link, is missing; {ATTACH_AGAIN}"));
            return Ok(());
        };
        let (name, bridge) = (link.name.as_str(), &self.config.name);
        let leads_inside = self
            .inside
            .as_ref()
            .is_none_or(|inside| link.peer == Some(inside.link.index) && inside.link.peer == Some(link.index));
        self.expect(link.is_veth() && leads_inside, || {
            format!("interface {name} does not lead to the container; {ATTACH_AGAIN}")
        });
        self.expect(link.up, || format!("interface {name} is down; run ip link set {name} up"));
        let is_port = self.bridge.as_ref().is_none_or(|bridge| link.master == Some(bridge.index));
        self.expect(is_port, || {
            format!("interface {name} is not a port of the bridge {bridge}; run ip link set {name} master {bridge}")
        });
        self.port_flags(&link);
        self.vlans(&link)
    }

    /// What is configured is on. What is not may have been switched on by others.
    fn port_flags(&mut self, link: &Link) {
        let (port, name) = (link.port.unwrap_or_default(), &link.name);
        self.expect(port.hairpin || !self.config.hairpin, || {
            format!(
                "bridge port {name} is not in hairpin mode, but hairpinMode is set; run bridge link set dev {name} \
                 hairpin on"
            )
        });
        self.expect(port.isolated || !self.config.isolated, || {
            format!(
                "bridge port {name} is not isolated, but portIsolation is set; run bridge link set dev {name} \
                 isolated on"
            )
        });
    }

    /// The port belongs to its VLANs and to no others, and the bridge heeds that.
    fn vlans(&mut self, port: &Link) -> Result<(), NetworkError> {
        let (Some(wanted), Some(bridge)) = (&self.config.vlans, &self.bridge) else { return Ok(()) };
        let filtering = bridge.vlans.filter(|vlans| vlans.on);
        let present = vlan::of_port(&mut self.host, port.index)?;
        let default_vlan = filtering.and_then(|vlans| vlans.default_vlan);
        let differences = wanted.port.differences(&present, default_vlan);
        self.findings
            .extend(differences.iter().map(|found| format!("bridge port {}: {found}; {ATTACH_AGAIN}", port.name)));
        let bridge = &self.config.name;
        self.expect(filtering.is_some(), || {
            format!("bridge {bridge} does not filter VLANs; run ip link set {bridge} type bridge vlan_filtering 1")
        });
        Ok(())
    }

    /// The container can send under no other hardware address than its own.
    pub(crate) fn mac_filter(
        &mut self,
        network: &NetworkName,
        host_end: &HostEnd,
        attachment: &Attachment,
    ) -> Result<(), NetworkError> {
        let Some(mac) = self.inside.as_ref().and_then(|inside| inside.link.mac) else { return Ok(()) };
        if !self.config.filters_mac {
            return Ok(());
        }
        let filter = mac_filter::of(host_end, mac, attachment);
        let installed = mac_filter::is_installed(network, &filter)?;
        self.expect(installed, || {
            format!("macspoofchk: bridge port {} lacks the MAC filter for {mac}; {ATTACH_AGAIN}", host_end.name)
        });
        Ok(())
    }

    /// The node's end as the result names it, where another plugin made it and gave it a name of its own.
    fn inherited_end(&mut self) -> Result<Option<Link>, NetworkError> {
        let is_end = |named: &&Interface| named.sandbox.is_empty() && named.name != self.config.name.as_str();
        let Some(named) = self.expected.previous.interfaces.iter().find(is_end) else { return Ok(None) };
        let found = link::by_name(&mut self.host, &named.name)?;
        let inherited = found.filter(|link| !alias::is_on(link));
        self.inherited = inherited.is_some();
        Ok(inherited)
    }

    /// The container's interface has its addresses.
    pub(crate) fn addresses(&mut self) {
        let Some(inside) = &self.inside else { return };
        let missing =
            self.expected.ips.iter().filter(|ip| !inside.addresses.iter().any(|found| found.net == ip.address));
        let findings = missing.map(|ip| {
            let (name, address) = (&inside.link.name, ip.address);
            format!("interface {name} lacks the address {address}; run ip address add {address} dev {name} there")
        });
        self.findings.extend(findings.collect::<Vec<_>>());
    }

    /// The container has its routes. The default route may have been given another gateway since.
    pub(crate) fn routes(&mut self) {
        let Some(inside) = &self.inside else { return };
        for wanted in &self.expected.previous.routes {
            let is_it = |found: &route::Route| {
                let gateway = wanted.gw.filter(|_| !found.is_default());
                found.destination == wanted.dst.trunc() && gateway.is_none_or(|gateway| found.gateway == Some(gateway))
            };
            if !inside.routes.iter().any(is_it) {
                self.findings.push(format!("the container lacks the route to {}; {ATTACH_AGAIN}", wanted.dst));
            }
        }
    }

    /// The bridge has the gateways' addresses, or the node's interface in the network's VLAN.
    pub(crate) fn gateways(&mut self) -> Result<(), NetworkError> {
        if !self.config.is_gateway || self.expected.ips.is_empty() {
            return Ok(());
        }
        let name = match &self.config.vlans {
            Some(vlans) => vlans.gateway_name(&self.config.name)?,
            None => None,
        };
        let link = match &name {
            Some(name) => link::by_name(&mut self.host, name.as_str())?,
            None => self.bridge.clone(),
        };
        let name = name.as_ref().unwrap_or(&self.config.name);
        let Some(link) = link else {
            if *name != self.config.name {
                self.findings.push(format!(
                    "interface {name}, the gateway in the network's VLAN, is missing; the next ADD of the network makes it"
                ));
            }
            return Ok(());
        };
        self.expect(link.up, || format!("interface {name} is down; run ip link set {name} up"));
        let present = address::list(&mut self.host, link.index)?;
        for ip in self.expected.ips {
            let gateway = ip.gateway.and_then(|gateway| IpNet::new(gateway, ip.address.prefix_len()).ok());
            // With another prefix length it answers the container all the same.
            let is_there = |gateway: &IpNet| present.iter().any(|found| found.net.addr() == gateway.addr());
            let Some(gateway) = gateway.filter(|gateway| !is_there(gateway)) else { continue };
            self.findings.push(format!(
                "interface {name} lacks the gateway's address {gateway}; the next ADD of the network adds it, \
                 as does ip address add {gateway} dev {name}"
            ));
        }
        Ok(())
    }

    /// The addresses are masqueraded, if they were when the attachment came.
    pub(crate) fn masquerade(&mut self, network: &NetworkName) -> Result<(), NetworkError> {
        let wanted: Vec<IpAddr> = match &self.expected.record.masquerade {
            Some(_) => self.expected.record.masqueraded().to_vec(),
            // Recorded by an earlier version. Another plugin that made the link masquerades it, too.
            None if self.config.ip_masq && !self.inherited => {
                self.expected.ips.iter().map(|ip| ip.address.addr()).collect()
            }
            None => Vec::new(),
        };
        if wanted.is_empty() {
            return Ok(());
        }
        let mut kernel = masquerade::open(network.as_str())?;
        for address in wanted {
            let covered = masquerade::covers(&mut kernel, network.as_str(), address)?;
            self.expect(covered, || {
                format!(
                    "{address} is not masqueraded; run ginghamctl gc, which restores it, as GC and the node agent do"
                )
            });
        }
        Ok(())
    }
}

/// Whether two paths lead to the same network namespace: `/run/netns/NAME` and `/proc/PID/ns/net` may.
fn is_same_namespace(named: &str, netns: &Path, container: &NetNs) -> bool {
    let same_by_identity = || NetNs::open(named).and_then(|named| named.same_as(container)).unwrap_or(false);
    Path::new(named) == netns || same_by_identity()
}

/// Must be called in the container's namespace.
fn look_inside(name: &str) -> Result<Option<Inside>, NetworkError> {
    let mut kernel = Socket::<netlink::Route>::open()?;
    let Some(link) = link::by_name(&mut kernel, name)? else { return Ok(None) };
    let addresses = address::list(&mut kernel, link.index)?;
    // Plugins later in the chain may add interfaces, and routes over them.
    let mut routes = Vec::new();
    for other in link::list(&mut kernel, None)? {
        routes.extend(route::list(&mut kernel, other.index)?);
    }
    Ok(Some(Inside { link, addresses, routes }))
}
