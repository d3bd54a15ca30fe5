//! The bridge as it is now: what stands in the way of the gateways, and what earlier configurations left on it.

use std::net::IpAddr;

use gingham_net::netlink::{Route, Socket};
use gingham_net::{NetError, address, bridge, link};
use ipnet::IpNet;

use super::First;
use crate::bridge_config::BridgeConfig;
use crate::error::NetworkError;

/// What has the bridge's name is one, keeps VLANs apart if that is wanted, and has no address that stands in the way.
pub(super) fn is_usable(config: &BridgeConfig, first: Option<&First>) -> Result<(), NetworkError> {
    let mut kernel = Socket::<Route>::open()?;
    let name = config.name.as_str();
    let Some(found) = link::by_name(&mut kernel, name)? else { return Ok(()) };
    if !found.is_bridge() {
        return Err(NetError::NotABridge { name: name.to_owned() }.into());
    }
    if config.vlans.is_some() {
        bridge::require_filtering(&mut kernel, name)?;
    }
    let Some(first) = first.filter(|_| !config.force_address) else { return Ok(()) };
    let Some(interface) = link::by_name(&mut kernel, &gateway_interface(config)?)? else { return Ok(()) };
    for gateway in &first.gateways {
        bridge::require_room(&mut kernel, &interface, *gateway, &first.networks)?;
    }
    Ok(())
}

/// Where the gateways' addresses are: on the bridge, or on the node's interface in the network's VLAN.
fn gateway_interface(config: &BridgeConfig) -> Result<String, NetworkError> {
    let in_vlan = config.vlans.as_ref().map_or(Ok(None), |vlans| vlans.gateway_name(&config.name))?;
    Ok(in_vlan.as_ref().unwrap_or(&config.name).to_string())
}

/// Addresses beside the gateways that are of no pool, each with advice. The gateway of a pool that is gone from the
/// configuration is one, and the node keeps a route to that subnet. No record tells it from what an administrator set.
pub(super) fn left_over(config: &BridgeConfig, first: &First) -> Result<Vec<String>, NetworkError> {
    let mut kernel = Socket::<Route>::open()?;
    let name = gateway_interface(config)?;
    let Some(interface) = link::by_name(&mut kernel, &name)? else { return Ok(Vec::new()) };
    let present: Vec<IpNet> = address::list(&mut kernel, interface.index)?.iter().map(|address| address.net).collect();
    if first.gateways.is_empty() || !first.gateways.iter().all(|gateway| present.contains(gateway)) {
        return Ok(Vec::new());
    }
    let is_of_link = |net: &IpNet| matches!(net.addr(), IpAddr::V6(v6) if v6.is_unicast_link_local());
    let is_of_pool = |net: &IpNet| first.networks.iter().any(|network| network.contains(&net.addr()));
    let others = present.into_iter().filter(|net| !is_of_link(net) && !is_of_pool(net));
    let advice = |net: IpNet| {
        format!(
            "{name} also has {net}, which is in no pool of this network, so the node sends packets to {} there; if it is \
             left from a pool that was removed, run `ip address delete {net} dev {name}`",
            net.trunc()
        )
    };
    Ok(others.map(advice).collect())
}
