//! The node's side of a container's link: the bridge, the port's VLANs, and where the gateways' addresses are.

use gingham_net::address;
use gingham_net::bridge::{self, Bridge};
use gingham_net::netlink::{Route, Socket};
use gingham_net::sysctl;
use gingham_net::vlan::{self, Gateway, GatewayInterface};
use gingham_network::allocation::Allocation;
use gingham_network::bridge_config::BridgeConfig;
use gingham_network::error::NetworkError;
use gingham_network::plan;
use ipnet::IpNet;

/// The network's bridge, made if it is missing. One for VLANs keeps them apart, or it is an error.
pub(crate) fn ensure_bridge(host: &mut Socket<Route>, config: &BridgeConfig) -> Result<Bridge, NetworkError> {
    let ensure = if config.vlans.is_some() { bridge::ensure_filtering } else { bridge::ensure };
    let bridge = ensure(host, config.name.as_str(), config.mtu, config.promiscuous)?;
    tracing::debug!(bridge = bridge.name, "bridge ready");
    Ok(bridge)
}

/// Makes a container's port belong to its VLANs, if the network has any.
pub(crate) fn assign_vlans(
    host: &mut Socket<Route>,
    bridge: &Bridge,
    port: u32,
    config: &BridgeConfig,
) -> Result<(), NetworkError> {
    match &config.vlans {
        Some(vlans) => Ok(vlan::assign(host, bridge, port, &vlans.port)?),
        None => Ok(()),
    }
}

/// Puts the gateways' addresses on the bridge; in a network with a VLAN of its own, on the node's interface in that
/// VLAN, which it makes if it is missing and gives back.
pub(crate) fn ensure_gateways(
    host: &mut Socket<Route>,
    bridge: &Bridge,
    gateways: &[IpNet],
    allocation: &Allocation,
    config: &BridgeConfig,
) -> Result<Option<GatewayInterface>, NetworkError> {
    if gateways.is_empty() {
        return Ok(None);
    }
    let interface = ensure_gateway_interface(host, bridge, config)?;
    // Containers of the other pools still need their gateways, also of those that drain.
    let networks = &allocation.ipam.networks;
    for gateway in gateways {
        if let Some(interface) = &interface {
            vlan::ensure_address(host, interface, *gateway, config.force_address, networks)?;
            continue;
        }
        if allocation.own_gateways {
            remove_earlier(host, bridge, *gateway)?;
        }
        bridge::ensure_address_among(host, bridge, *gateway, config.force_address, networks)?;
    }
    tracing::debug!(gateways = ?gateways, "gateway addresses ready");
    Ok(interface)
}

/// Addresses that the node had before it lost their block: by now they are another node's.
fn remove_earlier(host: &mut Socket<Route>, bridge: &Bridge, gateway: IpNet) -> Result<(), NetworkError> {
    for present in address::list(host, bridge.index)? {
        if gateway.contains(&present.net.addr()) && present.net.addr() != gateway.addr() {
            address::delete(host, bridge.index, present.net)?;
        }
    }
    Ok(())
}

fn ensure_gateway_interface(
    host: &mut Socket<Route>,
    bridge: &Bridge,
    config: &BridgeConfig,
) -> Result<Option<GatewayInterface>, NetworkError> {
    let Some(vlans) = &config.vlans else { return Ok(None) };
    let (Some(vlan), Some(name)) = (vlans.own, vlans.gateway_name(&config.name)?) else { return Ok(None) };
    let port = plan::GatewayPort::of(&config.name, vlan)?;
    let wanted = Gateway {
        name: name.as_str(),
        port_name: port.name.as_str(),
        alias: &port.alias,
        vlan,
        keep_default: vlans.port.keep_default,
    };
    Ok(Some(vlan::ensure_gateway(host, bridge, &wanted)?))
}

/// The node forwards for the families whose gateway it is.
pub(crate) fn forward(gateways: &[IpNet]) -> Result<(), NetworkError> {
    if gateways.iter().any(|gateway| gateway.addr().is_ipv4()) {
        sysctl::forward_ipv4()?;
    }
    if gateways.iter().any(|gateway| gateway.addr().is_ipv6()) {
        sysctl::forward_ipv6()?;
    }
    Ok(())
}
