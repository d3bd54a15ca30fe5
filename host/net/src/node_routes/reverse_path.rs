//! Whether strict reverse path filtering (`rp_filter` 1) drops packets from other nodes.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::route_lookup::{RouteLookup, look_up};
use super::{Mode, Wanted, vxlan};
use crate::netlink::{Route, Socket};
use crate::{NetError, address, link, sysctl};

const STRICT: &str = "1";

/// Packets from a block that arrive on an interface are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReversePathProblem {
    /// The owner of the block.
    pub member: String,
    pub block: IpNet,
    pub interface: String,
}

impl fmt::Display for ReversePathProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { member, block, interface } = self;
        write!(
            f,
            "the kernel drops packets from {block} of node {member:?} that arrive on {interface:?}: rp_filter is 1 and the route back uses another interface; set net.ipv4.conf.{interface}.rp_filter and net.ipv4.conf.all.rp_filter to 2 (loose)"
        )
    }
}

/// Looks up the route back to the first IPv4 block of each node, and compares its interface with those that the node's
/// packets may arrive on: the ones in the node's network, or the vxlan device. Call it after
/// [`reconcile`](super::reconcile).
pub fn dropped_by_reverse_path_filter(
    kernel: &mut Socket<Route>,
    wanted: &Wanted,
) -> Result<Vec<ReversePathProblem>, NetError> {
    let strict = strict_interfaces(kernel, wanted)?;
    let mut problems = Vec::new();
    for peer in wanted.peers.iter().filter(|_| !strict.is_empty()) {
        let Some(block) = peer.blocks.iter().find(|block| block.addr().is_ipv4()) else { continue };
        let back = match look_up(kernel, block.addr())? {
            RouteLookup::OnLink(interface) | RouteLookup::ViaGateway { interface, .. } => Some(interface),
            RouteLookup::Local | RouteLookup::Unreachable => None,
        };
        for found in strict.iter().filter(|found| found.receives_from(&peer.addresses) && Some(found.index) != back) {
            let (member, interface) = (peer.name.clone(), found.name.clone());
            problems.push(ReversePathProblem { member, block: *block, interface });
        }
    }
    Ok(problems)
}

/// An interface with a strict filter that packets of other nodes may arrive on.
struct StrictInterface {
    index: u32,
    name: String,
    /// Of the nodes there; `None` for all nodes.
    network: Option<IpNet>,
}

impl StrictInterface {
    fn receives_from(&self, nodes: &[IpAddr]) -> bool {
        self.network.is_none_or(|network| nodes.iter().any(|node| network.contains(node)))
    }
}

fn strict_interfaces(kernel: &mut Socket<Route>, wanted: &Wanted) -> Result<Vec<StrictInterface>, NetError> {
    let candidates: Vec<(u32, Option<IpNet>)> = match wanted.mode {
        Mode::Direct => address::list_all(kernel)?
            .into_iter()
            .filter(|address| address.net.addr().is_ipv4())
            .map(|address| (address.interface, Some(address.net)))
            .collect(),
        Mode::Vxlan(_) => link::by_name(kernel, &vxlan::device_name(&wanted.network))?
            .map(|device| (device.index, None))
            .into_iter()
            .collect(),
    };
    let all = sysctl::get("ipv4/conf/all/rp_filter")?;
    let mut strict = Vec::new();
    for (index, network) in candidates {
        let Some(link) = link::get(kernel, link::Which::Index(index))? else { continue };
        if link.name == wanted.bridge {
            continue;
        }
        // The kernel applies the larger of the two.
        let own = sysctl::get(&format!("ipv4/conf/{}/rp_filter", link.name))?;
        if all.as_str().max(own.as_str()) == STRICT {
            strict.push(StrictInterface { index, name: link.name, network });
        }
    }
    Ok(strict)
}
