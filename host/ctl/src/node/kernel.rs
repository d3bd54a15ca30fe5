//! What the kernel of a node has of a network, without its containers.

use gingham_cni::config::NetworkName;
use gingham_engine::cluster_policy::ClusterPolicy;
use gingham_net::link::{self, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::{masquerade, node_routes};
use gingham_network::network::Network;
use gingham_network::{alias, mac_filter};
use gingham_ownership::grid::Grid;
use ipnet::IpNet;

use super::error::NodeError;

/// What was removed, in words.
pub(super) fn remove(network: &Network) -> Result<Vec<String>, NodeError> {
    let (name, mut removed) = (network.name(), Vec::new());
    let of_network = |source| NodeError::Network { network: name.to_owned(), source };
    let mut kernel = Socket::<Route>::open()?;
    let bridge = network.bridge_name();
    let routes = node_routes::remove(&mut kernel, name, &bridge, &ranges(network)?)
        .map_err(|source| NodeError::Routes { network: name.to_owned(), source })?;
    if routes {
        removed.push("routes to other nodes".to_owned());
    }
    if remove_masquerade(name).map_err(|source| NodeError::Masquerade { network: name.to_owned(), source })? {
        removed.push("masquerade".to_owned());
    }
    if let Ok(name) = NetworkName::new(name) {
        mac_filter::remove_of(&name, |_| true).map_err(of_network)?;
    }
    if network.bridge().map_err(of_network)?.is_some()
        && remove_bridge(&mut kernel, &bridge).map_err(|source| NodeError::Bridge {
            network: name.to_owned(),
            bridge: bridge.clone(),
            source,
        })?
    {
        removed.push(format!("bridge {bridge}"));
    }
    Ok(removed)
}

/// None without a cluster: such a network has no routes.
fn ranges(network: &Network) -> Result<Vec<IpNet>, NodeError> {
    let name = network.name();
    let fault = |source| NodeError::Network { network: name.to_owned(), source };
    let Some(addresses) = network.addresses().map_err(fault)? else { return Ok(Vec::new()) };
    let settings = addresses.settings();
    if settings.cluster.is_none() {
        return Ok(Vec::new());
    }
    let policy = addresses.load().map_err(fault)?;
    let dividing = ClusterPolicy::new(policy, settings, &settings.context(name), &mut Vec::new())
        .map_err(|source| NodeError::Policy { network: name.to_owned(), source: Box::new(source) })?;
    Ok(dividing.grids().iter().map(Grid::range).collect())
}

fn remove_masquerade(network: &str) -> Result<bool, masquerade::MasqueradeError> {
    let mut rules = masquerade::open(network)?;
    let addresses = masquerade::list(&mut rules, network)?;
    masquerade::remove(&mut rules, network, &addresses)?;
    masquerade::remove_unused(&mut rules, network)?;
    Ok(!addresses.is_empty())
}

/// A bridge with a port of others, such as the node's own network card, stays.
fn remove_bridge(kernel: &mut Socket<Route>, name: &str) -> Result<bool, gingham_net::NetError> {
    let Some(bridge) = link::by_name(kernel, name)?.filter(|link| link.kind.as_deref() == Some("bridge")) else {
        return Ok(false);
    };
    if !link::ports(kernel, bridge.index)?.iter().all(alias::is_on) {
        return Ok(false);
    }
    link::delete(kernel, Which::Index(bridge.index))
}
