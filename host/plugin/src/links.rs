//! The links of a network's containers, found again by what is known of them without a record.

use std::collections::HashSet;

use gingham_cni::config::NetworkName;
use gingham_net::NetError;
use gingham_net::link::{self, Link, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use gingham_network::alias;
use gingham_network::error::NetworkError;
use gingham_network::plan::HostEnd;

/// Deletes an attachment's link by its end on the node; the other end goes with it. Returns whether it was there.
pub(crate) fn delete(host_end: &HostEnd) -> Result<bool, NetworkError> {
    Ok(link::delete(&mut Socket::<Route>::open()?, Which::Name(host_end.name.as_str()))?)
}

/// Deletes a container's interface that another bridge plugin made on this network's bridge: a network whose
/// configuration changed its `type` keeps its containers. What is not a veth, leads elsewhere or is ours
/// under another network's name stays.
pub(crate) fn delete_inherited(container: &NetNs, interface: &str, bridge: &str) -> Result<(), NetworkError> {
    let (mut inside, found) = container.enter(|| -> Result<_, NetworkError> {
        let mut inside = Socket::<Route>::open()?;
        let found = link::by_name(&mut inside, interface)?;
        Ok((inside, found))
    })??;
    let Some(found) = found else { return Ok(()) };
    let mut host = Socket::<Route>::open()?;
    if is_inherited(&mut host, &found, bridge)? {
        link::delete(&mut inside, Which::Index(found.index))?;
    }
    Ok(())
}

fn is_inherited(host: &mut Socket<Route>, inside: &Link, bridge: &str) -> Result<bool, NetError> {
    let Some(peer) = inside.peer.filter(|_| inside.is_veth()) else { return Ok(false) };
    let Some(bridge) = link::by_name(host, bridge)? else { return Ok(false) };
    let Some(outside) = link::get(host, Which::Index(peer))? else { return Ok(false) };
    Ok(!alias::is_on(&outside)
        && outside.is_veth()
        && outside.peer == Some(inside.index)
        && outside.master == Some(bridge.index))
}

/// The names of all links of the node.
pub(crate) fn names() -> Result<HashSet<String>, NetworkError> {
    Ok(link::list(&mut Socket::<Route>::open()?, None)?.into_iter().map(|link| link.name).collect())
}

/// Deletes all links of the network whose ends on the node are not among `valid`. Goes on after errors.
pub(crate) fn delete_stale(network: &NetworkName, valid: &HashSet<String>) -> Vec<NetworkError> {
    let listed = Socket::<Route>::open().map_err(NetworkError::from).and_then(|mut host| {
        let links = link::list(&mut host, None)?;
        Ok((host, links))
    });
    let (mut host, links) = match listed {
        Ok(listed) => listed,
        Err(error) => return vec![error],
    };
    let prefix = alias::of_network(network.as_str());
    let ours = |link: &&Link| link.is_veth() && link.alias.as_ref().is_some_and(|alias| alias.starts_with(&prefix));
    let stale = links.iter().filter(ours).filter(|link| !valid.contains(&link.name));
    stale.filter_map(|stale| link::delete(&mut host, Which::Index(stale.index)).err()).map(NetworkError::from).collect()
}
