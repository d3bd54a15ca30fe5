//! What else on this node has addresses of a network.

use std::path::Path;

use gingham_engine::address::IpRange;
use gingham_engine::pool::Pools;
use gingham_net::netlink::{Route, Socket};
use gingham_net::{link, node_routes, route};
use gingham_network::network::{Addresses, Network};
use ipnet::IpNet;

use super::CheckConfigError;
use crate::network::{ConfigDirError, Plugins, find_gingham, list};

/// In sentences.
pub(super) fn of(
    network: &Network,
    addresses: &Addresses<'_>,
    config_dir: &Path,
    plugins: &Plugins,
    library: &Path,
) -> Result<Vec<String>, CheckConfigError> {
    let mut found = with_routes(network, &addresses.pools)?;
    found.extend(with_networks(network, &addresses.pools, config_dir, plugins, library)?);
    Ok(found)
}

fn prefixes(pools: &Pools) -> Vec<IpNet> {
    let mut prefixes: Vec<IpNet> = pools.iter().flat_map(|pool| &pool.ranges).map(|part| part.prefix).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}

fn overlap(one: IpNet, other: IpNet) -> bool {
    IpRange::from(one).intersection(&IpRange::from(other)).is_some()
}

/// The node's routes. Those over the network's own bridge and its VLAN's interface are its own, and so are those to other
/// nodes; where another main plugin makes the
/// interfaces, sharing the node's network may be the very purpose.
fn with_routes(network: &Network, pools: &Pools) -> Result<Vec<String>, CheckConfigError> {
    let Ok(Some(bridge)) = network.bridge() else { return Ok(Vec::new()) };
    let mut kernel = Socket::<Route>::open()?;
    let mut found = Vec::new();
    let to_nodes = node_routes::list(&mut kernel, &prefixes(pools))?;
    for link in link::list(&mut kernel, None)? {
        if link.name == bridge.name || link.name.starts_with(&format!("{}.", bridge.name)) {
            continue;
        }
        let leads_to_node = |destination: IpNet| {
            to_nodes.iter().any(|kept| kept.destination == destination && kept.interface == Some(link.index))
        };
        for route in route::list(&mut kernel, link.index)? {
            let is_ours = leads_to_node(route.destination);
            let is_foreign = !route.is_default() && !is_link_local(route.destination) && !is_ours;
            let shared = prefixes(pools).into_iter().filter(|prefix| is_foreign && overlap(*prefix, route.destination));
            found.extend(
                shared.map(|prefix| {
                    format!("{prefix} with this node's route to {} over {}", route.destination, link.name)
                }),
            );
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Every interface has a route to the link-local and multicast addresses.
fn is_link_local(net: IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.addr().is_link_local() || net.addr().is_multicast(),
        IpNet::V6(net) => net.addr().is_unicast_link_local() || net.addr().is_multicast(),
    }
}

/// Other networks of the node, whoever serves them, as far as Gingham can read them.
fn with_networks(
    network: &Network,
    pools: &Pools,
    config_dir: &Path,
    plugins: &Plugins,
    library: &Path,
) -> Result<Vec<String>, ConfigDirError> {
    let mut found = Vec::new();
    for entry in list(config_dir)? {
        let Ok(configuration) = entry.configuration else { continue };
        let Some((_, Ok(other))) = find_gingham(&configuration, plugins, library, true) else { continue };
        if other.name() == network.name() {
            continue;
        }
        if let Ok(Some(addresses)) = other.addresses() {
            let shared = between(pools, &addresses.pools);
            found.extend(shared.into_iter().map(|(ours, theirs)| {
                format!("{ours} with {theirs} of network {} ({})", other.name(), entry.path.display())
            }));
        }
    }
    Ok(found)
}

/// The prefixes that two networks share addresses of.
pub(crate) fn between(ours: &Pools, theirs: &Pools) -> Vec<(IpNet, IpNet)> {
    let theirs = prefixes(theirs);
    let shared =
        |ours: IpNet| theirs.iter().filter(move |theirs| overlap(ours, **theirs)).map(move |theirs| (ours, *theirs));
    prefixes(ours).into_iter().flat_map(shared).collect()
}
