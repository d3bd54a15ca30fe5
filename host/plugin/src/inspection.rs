//! Looks at the kernel's state of one attachment and notes what is not as it should be.

use std::net::IpAddr;
use std::path::Path;

use gingham_engine::ledger::AttachmentRecord;
use gingham_net::address::{self, Address};
use gingham_net::link::{self, BridgePort, Link};
use gingham_net::netlink::{self, Socket};
use gingham_net::netns::NetNs;
use gingham_net::{masquerade, route, spoofing, vlan};
use ipnet::IpNet;

use crate::alias;
use crate::cni::bridge::BridgeConfig;
use crate::cni::config::NetworkName;
use crate::cni::env::Attachment;
use crate::cni::error::{CniError, Code};
use crate::cni::result::{CniResult, Interface, IpConfig};
use crate::guards;
use crate::plan::HostEnd;

/// An inspection under way. Its steps build on each other: the bridge, the container, the node's end, the rest.
pub(crate) struct Inspection<'a> {
    config: &'a BridgeConfig,
    previous: &'a CniResult,
    host: Socket<netlink::Route>,
    bridge: Option<Link>,
    inside: Option<Inside>,
    /// Another bridge plugin made the link, before the network was taken over.
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
    pub(crate) fn new(config: &'a BridgeConfig, previous: &'a CniResult) -> Result<Self, CniError> {
        let host = Socket::<netlink::Route>::open()?;
        Ok(Self { config, previous, host, bridge: None, inside: None, inherited: false, findings: Vec::new() })
    }

    /// What was found, as one error.
    pub(crate) fn verdict(self) -> Result<(), CniError> {
        CniError::join(self.findings.into_iter().map(|text| CniError::new(Code::KERNEL, text))).map_or(Ok(()), Err)
    }

    fn expect(&mut self, is_so: bool, otherwise: impl FnOnce() -> String) {
        if !is_so {
            self.findings.push(otherwise());
        }
    }

    /// The bridge is there, and as configured.
    pub(crate) fn bridge(&mut self) -> Result<(), CniError> {
        let name = self.config.name.as_str();
        let Some(bridge) = link::by_name(&mut self.host, name)? else {
            self.findings.push(format!("bridge {name} is missing"));
            return Ok(());
        };
        self.expect(bridge.is_bridge(), || format!("interface {name} is not a bridge"));
        self.expect(bridge.up, || format!("bridge {name} is down"));
        self.expect(bridge.promiscuous || !self.config.promiscuous, || format!("bridge {name} is not promiscuous"));
        let told = self.previous.interfaces.iter().find(|told| told.name == name && told.sandbox.is_empty());
        self.same_mac(&bridge, told);
        self.bridge = Some(bridge);
        Ok(())
    }

    fn same_mac(&mut self, link: &Link, told: Option<&Interface>) {
        let told = told.map(|told| told.mac.as_str()).unwrap_or_default();
        let mac = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
        self.expect(told.is_empty() || told.eq_ignore_ascii_case(&mac), || {
            format!("interface {} has the hardware address {mac}, prevResult says {told}", link.name)
        });
    }

    /// The container's end is there, in the namespace the result names.
    pub(crate) fn container(&mut self, container: &NetNs, netns: &Path, name: &str) -> Result<(), CniError> {
        let told = self.previous.interfaces.iter().find(|told| told.name == name && !told.sandbox.is_empty());
        self.expect(told.is_some(), || format!("prevResult names no interface {name} in a container"));
        if let Some(told) = told {
            self.expect(Path::new(&told.sandbox) == netns, || {
                format!("Sandbox in prevResult {} doesn't match configured netns: {}", told.sandbox, netns.display())
            });
        }
        let Some(inside) = container.enter(|| look_inside(name))?? else {
            self.findings.push(format!("interface {name} is missing in the container"));
            return Ok(());
        };
        self.expect(inside.link.is_veth(), || format!("interface {name} in the container is not a veth"));
        // One that ADD left down, the container may have set up since.
        self.expect(inside.link.up || !self.config.starts_container_end, || {
            format!("interface {name} in the container is down")
        });
        self.same_mac(&inside.link, told);
        // A plugin later in the chain may set another MTU, and then tells so.
        let mtu = told.map(|told| told.mtu).filter(|mtu| *mtu != 0).or(self.config.mtu);
        self.same_mtu(&inside.link, mtu);
        self.inside = Some(inside);
        Ok(())
    }

    fn same_mtu(&mut self, link: &Link, wanted: Option<u32>) {
        let wanted = wanted.unwrap_or(link.mtu);
        self.expect(link.mtu == wanted, || format!("interface {} has MTU {}, expected {wanted}", link.name, link.mtu));
    }

    /// The node's end is there, leads to the container, and is a port of the bridge.
    pub(crate) fn host_end(&mut self, name: &str) -> Result<(), CniError> {
        let found = match link::by_name(&mut self.host, name)? {
            None => self.inherited_end()?,
            found => found,
        };
        let Some(link) = found else {
            self.findings.push(format!("interface {name}, the node's end of the link, is missing"));
            return Ok(());
        };
        let name = link.name.as_str();
        let leads_inside = self
            .inside
            .as_ref()
            .is_none_or(|inside| link.peer == Some(inside.link.index) && inside.link.peer == Some(link.index));
        self.expect(link.is_veth() && leads_inside, || format!("interface {name} does not lead to the container"));
        self.expect(link.up, || format!("interface {name} is down"));
        let is_port = self.bridge.as_ref().is_none_or(|bridge| link.master == Some(bridge.index));
        self.expect(is_port, || format!("interface {name} is no port of the bridge {}", self.config.name));
        let wanted = BridgePort { hairpin: self.config.hairpin, isolated: self.config.isolated };
        let port = link.port.unwrap_or_default();
        self.expect(port == wanted, || {
            let BridgePort { hairpin, isolated } = port;
            format!(
                "bridge port {name} has hairpin mode {hairpin} and isolation {isolated}, which is not configured so"
            )
        });
        self.same_mac(&link, self.previous.interfaces.iter().find(|told| told.name == name));
        self.same_mtu(&link, self.config.mtu);
        self.vlans(&link)
    }

    /// The port belongs to its VLANs and to no others, and the bridge heeds that.
    fn vlans(&mut self, port: &Link) -> Result<(), CniError> {
        let (Some(wanted), Some(bridge)) = (&self.config.vlans, &self.bridge) else { return Ok(()) };
        let filtering = bridge.vlans.filter(|vlans| vlans.on);
        let present = vlan::of_port(&mut self.host, port.index)?;
        let default_vlan = filtering.and_then(|vlans| vlans.default_vlan);
        let differences = wanted.port.differences(&present, default_vlan);
        self.findings.extend(differences.iter().map(|found| format!("bridge port {}: {found}", port.name)));
        self.expect(filtering.is_some(), || format!("bridge {} does not filter VLANs", self.config.name));
        Ok(())
    }

    /// The container can send under no other hardware address than its own.
    pub(crate) fn guard(
        &mut self,
        network: &NetworkName,
        host_end: &HostEnd,
        attachment: &Attachment,
    ) -> Result<(), CniError> {
        let Some(mac) = self.inside.as_ref().and_then(|inside| inside.link.mac) else { return Ok(()) };
        if !self.config.guards_sender {
            return Ok(());
        }
        let guard = guards::guard_of(host_end, mac, attachment);
        let installed = spoofing::is_installed(&mut spoofing::open(network.as_str())?, network.as_str(), &guard)?;
        self.expect(installed, || {
            format!(
                "macspoofchk: bridge port {} lacks the rule that lets {mac} alone send; DEL and ADD bring it back",
                host_end.name
            )
        });
        Ok(())
    }

    /// The node's end as the result names it, where another plugin made it and gave it a name of its own.
    fn inherited_end(&mut self) -> Result<Option<Link>, CniError> {
        let is_end = |told: &&Interface| told.sandbox.is_empty() && told.name != self.config.name.as_str();
        let Some(told) = self.previous.interfaces.iter().find(is_end) else { return Ok(None) };
        let found = link::by_name(&mut self.host, &told.name)?;
        let inherited = found.filter(|link| !alias::is_on(link));
        self.inherited = inherited.is_some();
        Ok(inherited)
    }

    /// The container's interface has its addresses.
    pub(crate) fn addresses(&mut self, ips: &[IpConfig]) {
        let Some(inside) = &self.inside else { return };
        let missing = ips.iter().filter(|ip| !inside.addresses.iter().any(|found| found.net == ip.address));
        let findings = missing.map(|ip| format!("interface {} lacks the address {}", inside.link.name, ip.address));
        self.findings.extend(findings.collect::<Vec<_>>());
    }

    /// The container has its routes. The default route may have been given another gateway since.
    pub(crate) fn routes(&mut self) {
        let Some(inside) = &self.inside else { return };
        for wanted in &self.previous.routes {
            let is_it = |found: &route::Route| {
                let gateway = wanted.gw.filter(|_| !found.is_default());
                found.destination == wanted.dst.trunc() && gateway.is_none_or(|gateway| found.gateway == Some(gateway))
            };
            if !inside.routes.iter().any(is_it) {
                self.findings.push(format!("the container lacks the route to {}", wanted.dst));
            }
        }
    }

    /// The bridge has the gateways' addresses, or the node's interface in the network's VLAN.
    pub(crate) fn gateways(&mut self, ips: &[IpConfig]) -> Result<(), CniError> {
        if !self.config.is_gateway || ips.is_empty() {
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
                self.findings.push(format!("interface {name}, the gateway in the network's VLAN, is missing"));
            }
            return Ok(());
        };
        self.expect(link.up, || format!("interface {name} is down"));
        let present = address::list(&mut self.host, link.index)?;
        for ip in ips {
            let gateway = ip.gateway.and_then(|gateway| IpNet::new(gateway, ip.address.prefix_len()).ok());
            let Some(gateway) = gateway.filter(|gateway| !present.iter().any(|found| found.net == *gateway)) else {
                continue;
            };
            self.findings.push(format!("interface {name} lacks the gateway's address {gateway}"));
        }
        Ok(())
    }

    /// The addresses are masqueraded, if they were when the attachment came.
    pub(crate) fn masquerade(
        &mut self,
        network: &NetworkName,
        record: &AttachmentRecord,
        ips: &[IpConfig],
    ) -> Result<(), CniError> {
        let wanted: Vec<IpAddr> = match &record.masquerade {
            Some(_) => record.masqueraded().to_vec(),
            // Recorded by an earlier version. Another plugin that made the link masquerades it, too.
            None if self.config.ip_masq && !self.inherited => ips.iter().map(|ip| ip.address.addr()).collect(),
            None => Vec::new(),
        };
        if wanted.is_empty() {
            return Ok(());
        }
        let mut kernel = masquerade::open(network.as_str())?;
        for address in wanted {
            let covered = masquerade::covers(&mut kernel, network.as_str(), address)?;
            self.expect(covered, || {
                format!("{address} is not masqueraded; the next ADD with ipMasq, GC or `ginghamctl gc` repairs that")
            });
        }
        Ok(())
    }
}

/// Must be called in the container's namespace.
fn look_inside(name: &str) -> Result<Option<Inside>, CniError> {
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
