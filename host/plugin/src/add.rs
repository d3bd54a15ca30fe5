//! ADD: a container joins the network.
//!
//! Everything that can be refused is refused before the kernel is touched; what was done is taken back if a later step
//! fails. The record is durable before any interface exists.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use gingham_cni::env::Attachment;
use gingham_cni::error::Code;
use gingham_cni::output::Output;
use gingham_cni::result::{CniResult, Interface};
use gingham_cni::version::SpecVersion;
use gingham_engine::ipam::IpamResult;
use gingham_engine::ledger::{Cooling, Masquerade};
use gingham_net::address::DuplicateDetection;
use gingham_net::bridge::{self, Bridge};
use gingham_net::container;
use gingham_net::link::BridgePort;
use gingham_net::masquerade::Masqueraded;
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use gingham_net::veth::{self, Pair, Veth};
use gingham_net::vlan::GatewayInterface;
use gingham_network::address_management::AddressManagement;
use gingham_network::allocation::{Allocation, NewAttachment};
use gingham_network::bridge_config::BridgeConfig;
use gingham_network::call::Call;
use gingham_network::cni_result;
use gingham_network::error::NetworkError;
use gingham_network::failpoint;
use gingham_network::lock::Lock;
use gingham_network::log;
use gingham_network::mac_filter;
use gingham_network::nat;
use gingham_network::plan::{AddressSource, HostEnd, Role};
use gingham_network::preparation::{self, Preparation};
use gingham_network::records::{End, Records};
use gingham_network::sandbox;
use ipnet::IpNet;

use crate::earlier_attachments;
use crate::host_side;
use crate::links;
use crate::undo::UndoStack;

/// How long a bridge may take until it forwards the packets of a new port.
const FORWARDING_TIMEOUT: Duration = Duration::from_secs(3);

/// One ADD, decided.
struct Add<'a> {
    call: &'a Call,
    version: SpecVersion,
    attachment: NewAttachment<'a>,
    management: &'a AddressManagement<'a>,
    records: &'a Records<'a>,
    /// None as IPAM plugin of another main plugin.
    link: Option<LinkPlan>,
    /// Whether the container's end had the addresses: others may know them by now, so they cool if the ADD fails.
    used: Cell<bool>,
    /// None as IPAM plugin, and while stale leases are freed.
    without_gc: Cell<Option<Lock>>,
}

/// The container's link, decided.
struct LinkPlan {
    bridge: BridgeConfig,
    host_end: HostEnd,
    container: NetNs,
    /// What fits through a tunnel to other nodes, where the configuration names no MTU; in bytes.
    container_mtu: Option<u32>,
}

/// What an ADD has done.
enum Done {
    /// The attachment is recorded, with its leases if it has any; and which of them cooled until then, and since when.
    Recorded(Vec<Cooling>),
    /// Another plugin was asked for addresses.
    Delegated(String),
    /// The container's port has its MAC filter, or is about to get it.
    MacFiltered(HostEnd),
    /// The container has its interface.
    Linked(HostEnd),
}

/// Serves ADD. Its last step is to hand over the result.
pub(crate) fn add(
    call: &Call,
    attachment: &Attachment,
    netns: &Path,
    output: &mut Output<'_>,
) -> Result<(), NetworkError> {
    let Preparation { version, management, bridge } = Preparation::of(call)?;
    let mut link = plan_link(call, bridge, attachment, netns)?;
    let is_masqueraded = link.as_ref().is_some_and(|link| link.bridge.ip_masq);
    let attachment = NewAttachment { attachment, netns, is_masqueraded };
    let records = management.records()?;
    if let Some(link) = link.as_mut().filter(|link| link.bridge.mtu.is_none()) {
        link.container_mtu = management.tunnel_mtu(&records)?;
    }
    // To the end: from the record to the link, and back to nothing if something fails.
    let without_gc = link.as_ref().map(|_| records.keep_gc_out()).transpose()?.flatten();
    failpoint::reach("add.planned")?;
    let add = Add {
        call,
        version,
        attachment,
        management: &management,
        records: &records,
        link,
        used: Cell::new(false),
        without_gc: Cell::new(without_gc),
    };
    let mut undo = UndoStack::new();
    let ended = add.run(&mut undo).and_then(|result| Ok(output.write(&result)?));
    log::notices();
    match ended {
        Ok(()) => {
            tracing::debug!("result written");
            undo.disarm();
            Ok(())
        }
        Err(error) => {
            tracing::debug!(code = error.code.0, "ADD failed: undo what was done");
            let faults = undo.unwind(|done| add.take_back(done));
            Err(faults.into_iter().fold(error, |error, fault| error.and(&format!("while undoing: {fault}"))))
        }
    }
}

fn plan_link(
    call: &Call,
    bridge: Option<BridgeConfig>,
    attachment: &Attachment,
    netns: &Path,
) -> Result<Option<LinkPlan>, NetworkError> {
    let Some(bridge) = bridge else {
        sandbox::refuse_own_path(call, netns)?;
        return Ok(None);
    };
    if bridge.asks_for_iptables {
        log::warn("ipMasqBackend: iptables is not supported; Gingham masquerades with nftables");
    }
    let host_end = HostEnd::of(&call.config.name, attachment)?;
    let container = sandbox::open(call, netns)?;
    Ok(Some(LinkPlan { bridge, host_end, container, container_mtu: None }))
}

impl Add<'_> {
    fn run(&self, undo: &mut UndoStack<Done>) -> Result<String, NetworkError> {
        let allocation = self.obtain(undo)?;
        let result = match &self.link {
            None => {
                preparation::fits(self.version, &allocation.ipam)?;
                cni_result::of(&allocation.ipam)
            }
            Some(link) => self.connect(link, &allocation, undo)?,
        };
        failpoint::reach("add.done")?;
        Ok(result.render(self.version)?)
    }

    /// Addresses, and the record of the attachment.
    fn obtain(&self, undo: &mut UndoStack<Done>) -> Result<Allocation, NetworkError> {
        let allocation = match &self.management.source {
            AddressSource::Policy(choice) => {
                let allocate = || self.management.allocate(choice, &self.attachment, self.records);
                let allocation = self
                    .without_stale_leases(allocate)
                    .inspect_err(|error| self.management.leave_refusal(error, self.records))?;
                undo.push(Done::Recorded(allocation.ipam.cooling.clone()));
                allocation
            }
            AddressSource::Delegate(plugin) => {
                // A second ADD for the same attachment ends here, so that the DEL that follows a failed delegation
                // never takes the first one's addresses away.
                self.without_stale_leases(|| self.management.record(&self.attachment, self.records))?;
                undo.push(Done::Recorded(Vec::new()));
                failpoint::reach("add.recorded")?;
                undo.push(Done::Delegated(plugin.clone()));
                let allocation = self.management.delegate(plugin)?;
                self.record_masquerade(&allocation.ipam)?;
                allocation
            }
            AddressSource::None => {
                self.without_stale_leases(|| self.management.record(&self.attachment, self.records))?;
                undo.push(Done::Recorded(Vec::new()));
                Allocation::default()
            }
        };
        failpoint::reach("add.allocated")?;
        Ok(allocation)
    }

    /// Tries again if the attempt failed only because of attachments whose containers no longer exist.
    fn without_stale_leases<T>(&self, attempt: impl Fn() -> Result<T, NetworkError>) -> Result<T, NetworkError> {
        let mut result = attempt();
        if matches!(&result, Err(error) if error.code == Code::ALREADY_ALLOCATED) && self.end_predecessor() {
            result = attempt();
        }
        if matches!(&result, Err(error) if error.code == Code::EXHAUSTED) && self.free_stale_leases()? {
            result = attempt();
        }
        result
    }

    fn end_predecessor(&self) -> bool {
        let key = self.attachment.key();
        let ended = earlier_attachments::end_predecessor(
            self.call,
            &key,
            self.attachment.netns,
            self.role(),
            self.management,
            self.records,
        );
        ended.unwrap_or_else(|error| {
            log::warn(format!("cannot find out whether the container of the earlier attachment is gone: {error}"));
            false
        })
    }

    fn free_stale_leases(&self) -> Result<bool, NetworkError> {
        // What this ADD holds itself would keep it from being alone. It has recorded nothing yet.
        drop(self.without_gc.take());
        let freed = earlier_attachments::free_all(&self.call.config.name, self.records, self.role());
        if self.link.is_some() {
            self.without_gc.set(self.records.keep_gc_out()?);
        }
        Ok(freed.unwrap_or_else(|error| {
            log::warn(format!("cannot look for leases of containers that are gone: {error}"));
            false
        }))
    }

    fn role(&self) -> Role {
        if self.link.is_some() { Role::Main } else { Role::Ipam }
    }

    /// The record was made before another plugin said which addresses are to be masqueraded.
    fn record_masquerade(&self, ipam: &IpamResult) -> Result<(), NetworkError> {
        if !self.attachment.is_masqueraded {
            return Ok(());
        }
        let delegated = ipam.addresses().collect();
        let masquerade = Masquerade { wanted: true, within: ipam.prefixes.clone(), delegated };
        Ok(self.records.put_masquerades(&[(self.attachment.key(), masquerade)])?)
    }

    /// The container's addresses are masqueraded, or not.
    fn masquerade(&self, ipam: &IpamResult) -> Result<(), NetworkError> {
        let network = &self.call.config.name;
        let addresses = ipam.addresses();
        if !self.attachment.is_masqueraded {
            return nat::exempt(network, self.records, &addresses.collect::<Vec<_>>());
        }
        if ipam.answer.addresses.is_empty() {
            return Ok(());
        }
        let more = Masqueraded { addresses: addresses.collect(), within: ipam.prefixes.clone() };
        nat::ensure(network, self.records, &more)
    }

    /// The container's link with its addresses, and their masquerade.
    fn connect(
        &self,
        link: &LinkPlan,
        allocation: &Allocation,
        undo: &mut UndoStack<Done>,
    ) -> Result<CniResult, NetworkError> {
        let (addressing, routes) = preparation::addressing(self.version, &link.bridge, &allocation.ipam)?;
        let mut host = Socket::<Route>::open()?;
        let bridge = host_side::ensure_bridge(&mut host, &link.bridge)?;
        failpoint::reach("add.bridge")?;
        let veth = self.plug(link, &mut host, &bridge, undo)?;
        let gateway = host_side::ensure_gateways(&mut host, &bridge, &addressing.gateways, allocation, &link.bridge)?;
        failpoint::reach("add.gateway")?;
        host_side::forward(&addressing.gateways)?;
        if link.bridge.starts_container_end {
            self.used.set(true);
            let mut inside = self.configure(link, &veth, &addressing.addresses(), &routes)?;
            bridge::wait_until_forwarding(&mut host, &bridge, veth.host_index, FORWARDING_TIMEOUT)?;
            if !addressing.ips.is_empty() {
                // Only now: the bridge drops what is announced before it forwards.
                container::announce(&mut inside, veth.container_index, veth.container_mac)?;
            }
        }
        failpoint::reach("add.configured")?;
        self.masquerade(&allocation.ipam)?;
        failpoint::reach("add.masqueraded")?;
        self.management.ensure_node_routes(&mut host, allocation, self.records)?;
        failpoint::reach("add.node-routes")?;
        let interfaces = self.interfaces(link, &bridge, &veth, gateway.as_ref());
        Ok(CniResult { interfaces, ips: addressing.ips, routes: addressing.routes, dns: addressing.dns })
    }

    /// The container's link, a port of the bridge in its VLANs. The container's end is down, so nothing was sent through it
    /// when the MAC filter is there.
    fn plug(
        &self,
        link: &LinkPlan,
        host: &mut Socket<Route>,
        bridge: &Bridge,
        undo: &mut UndoStack<Done>,
    ) -> Result<Veth, NetworkError> {
        if link.bridge.filters_mac {
            // Before the link, so that it is taken back after it.
            undo.push(Done::MacFiltered(link.host_end.clone()));
        }
        let veth = veth::create(host, &self.pair(link, bridge.index))?;
        undo.push(Done::Linked(link.host_end.clone()));
        failpoint::reach("add.veth")?;
        tracing::debug!(host = link.host_end.name.as_str(), mac = %veth.container_mac, "link made");
        host_side::assign_vlans(host, bridge, veth.host_index, &link.bridge)?;
        if link.bridge.filters_mac {
            let filter = mac_filter::of(&link.host_end, veth.container_mac, self.attachment.attachment);
            mac_filter::ensure(&self.call.config.name, &filter)?;
        }
        failpoint::reach("add.plugged")?;
        Ok(veth)
    }

    fn pair<'b>(&'b self, link: &'b LinkPlan, bridge: u32) -> Pair<'b> {
        Pair {
            host_name: link.host_end.name.as_str(),
            container_name: self.attachment.attachment.interface.as_str(),
            container: &link.container,
            mac: self.management.request.mac,
            mtu: link.bridge.mtu.or(link.container_mtu),
            bridge: Some(bridge),
            port: BridgePort { hairpin: link.bridge.hairpin, isolated: link.bridge.isolated },
            alias: Some(&link.host_end.alias),
        }
    }

    /// The container's end. Gives back a socket inside for what is left to do there.
    fn configure(
        &self,
        link: &LinkPlan,
        veth: &Veth,
        addresses: &[IpNet],
        routes: &[gingham_net::route::Route],
    ) -> Result<Socket<Route>, NetworkError> {
        let detection = if link.bridge.detect_duplicates { DuplicateDetection::On } else { DuplicateDetection::Off };
        let name = self.attachment.attachment.interface.as_str();
        let interface = container::Interface { index: veth.container_index, name, addresses, routes, detection };
        let inside = container::configure(&link.container, &interface)?;
        tracing::debug!(addresses = ?addresses, routes = routes.len(), "addresses and routes set in the container");
        Ok(inside)
    }

    fn interfaces(
        &self,
        link: &LinkPlan,
        bridge: &Bridge,
        veth: &Veth,
        gateway: Option<&GatewayInterface>,
    ) -> Vec<Interface> {
        let named = |name: &str, mac: gingham_net::Mac| Interface {
            name: name.to_owned(),
            mac: mac.to_string(),
            ..Interface::default()
        };
        let sandbox = self.attachment.netns.to_string_lossy().into_owned();
        let inside = named(self.attachment.attachment.interface.as_str(), veth.container_mac);
        let mut interfaces = vec![
            named(&bridge.name, bridge.mac),
            named(link.host_end.name.as_str(), veth.host_mac),
            Interface { sandbox, ..inside },
        ];
        interfaces.extend(gateway.map(|gateway| named(&gateway.name, gateway.mac)));
        interfaces
    }

    fn take_back(&self, done: Done) -> Result<(), NetworkError> {
        match done {
            Done::Linked(host_end) => links::delete(&host_end).map(drop),
            Done::MacFiltered(host_end) => mac_filter::remove(&self.call.config.name, &host_end),
            Done::Delegated(plugin) => self.management.take_back(&plugin),
            Done::Recorded(cooling) => {
                let key = self.attachment.key();
                let end = if self.used.get() { End::Used } else { End::NeverUsed(cooling) };
                let forget = || self.management.forget(&[&key], &end, self.records);
                if self.link.is_none() {
                    return forget();
                }
                nat::leave(&self.call.config.name, self.records, &[&key], self.attachment.is_masqueraded, forget)
            }
        }
    }
}
