//! Links of containers, and what is at their other ends.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use gingham_engine::attachment::AttachmentKey;
use gingham_net::address;
use gingham_net::link::{self, Link};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::{NetNs, NetNsId};
use ipnet::IpNet;

use super::{FoundLink, Inside, RecoveryError, link_name};
use crate::alias;
use crate::plan::HostEnd;

/// Where runtimes and `ip netns` give namespaces names.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];

/// An interface in a namespace that is not the node's.
struct Interface {
    netns: PathBuf,
    /// What the node calls the namespace.
    number: Option<i32>,
    link: Link,
    addresses: Vec<IpNet>,
}

/// The links of containers on this node. `known` are paths of namespaces that may not be found otherwise.
pub fn find(known: &[PathBuf]) -> Result<Vec<FoundLink>, RecoveryError> {
    let mut host = Socket::<Route>::open()?;
    let links = link::list(&mut host, None)?;
    let is_ours = |link: &Link| link.is_veth() && alias::is_on(link) && HostEnd::is_name_of_one(&link.name);
    let ours: Vec<Link> = links.into_iter().filter(is_ours).collect();
    if ours.is_empty() {
        return Ok(Vec::new());
    }
    let namespaces = namespaces(known)?;
    let interfaces: Vec<Interface> =
        namespaces.iter().flat_map(|namespace| interfaces(namespace, number_of(&mut host, namespace))).collect();
    let found = |link: Link| {
        // Containers that are nodes themselves have links of the same numbers inside.
        let is_there = |interface: &&Interface| interface.number.is_none() || interface.number == link.peer_netns;
        let inside = interfaces.iter().filter(is_there).filter(|interface| is_pair(&link, &interface.link));
        let inside = inside.map(|found| Inside { netns: found.netns.clone(), addresses: found.addresses.clone() });
        FoundLink { owner: owner(&link), inside: inside.collect(), name: link.name }
    };
    Ok(ours.into_iter().map(found).collect())
}

fn is_pair(outside: &Link, inside: &Link) -> bool {
    let is_interface = owner(outside).is_none_or(|(_, key)| key.interface == inside.name);
    is_interface && outside.peer == Some(inside.index) && inside.peer == Some(outside.index)
}

/// None where the kernel does not say.
fn number_of(host: &mut Socket<Route>, namespace: &NetNs) -> Option<i32> {
    link::namespace_number(host, namespace).ok().flatten()
}

/// An alias that was cut names another attachment, whose link would have another name.
fn owner(link: &Link) -> Option<(String, AttachmentKey)> {
    let mut words = link.alias.as_deref()?.split(' ').skip(1);
    let (network, container, interface) = (words.next()?, words.next()?, words.next()?);
    let key = AttachmentKey { container_id: container.to_owned(), interface: interface.to_owned() };
    let is_whole = words.next().is_none() && link_name(network, &key).as_ref() == Some(&link.name);
    is_whole.then(|| (network.to_owned(), key))
}

/// Every namespace that can be reached, once, by the best of its paths.
fn namespaces(known: &[PathBuf]) -> Result<Vec<NetNs>, RecoveryError> {
    let mut seen: HashSet<NetNsId> = HashSet::from([NetNs::current()?.id()?]);
    let entries = |directory: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let named = NAMED.into_iter().flat_map(|directory| entries(Path::new(directory)));
    let is_process = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit());
    let of_processes = entries(Path::new("/proc")).into_iter().filter(is_process).map(|path| path.join("ns/net"));
    let paths = known.iter().cloned().chain(named).chain(of_processes);
    let opened = paths.filter_map(|path| NetNs::open(path).ok());
    Ok(opened.filter(|namespace| namespace.id().is_ok_and(|id| seen.insert(id))).collect())
}

/// The veths in a namespace. One that went away meanwhile has none.
fn interfaces(namespace: &NetNs, number: Option<i32>) -> Vec<Interface> {
    let listed = namespace.enter(|| -> Option<Vec<Interface>> {
        let mut kernel = Socket::<Route>::open().ok()?;
        let links = link::list(&mut kernel, None).ok()?;
        let veths = links.into_iter().filter(|link| link.is_veth() && link.peer.is_some());
        let interface = |link: Link| {
            let all = address::list(&mut kernel, link.index).ok()?;
            let addresses = all.into_iter().map(|found| found.net).filter(|net| !is_of_link(net.addr())).collect();
            Some(Interface { netns: namespace.path().to_owned(), number, link, addresses })
        };
        Some(veths.filter_map(interface).collect())
    });
    listed.ok().flatten().unwrap_or_default()
}

/// The kernel gives itself one of these.
fn is_of_link(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}
