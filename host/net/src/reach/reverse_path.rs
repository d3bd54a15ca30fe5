//! Whether the kernel would drop what comes from other nodes, because the way back is another one (`rp_filter`).

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::lookup::{self, Way};
use super::{Mode, Wanted, vxlan};
use crate::netlink::{Route, Socket};
use crate::{NetError, address, link, sysctl};

const STRICT: &str = "1";

/// What comes from a block by an interface is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReversePathProblem {
    /// The node whose block it is.
    pub member: String,
    /// The block.
    pub block: IpNet,
    /// The name of the interface that its packets come in by.
    pub interface: String,
}

impl fmt::Display for ReversePathProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { member, block, interface } = self;
        write!(
            f,
            "packets from {block} of node {member:?} that come in by {interface:?} are dropped: rp_filter is 1 and the way back is another; set net.ipv4.conf.{interface}.rp_filter and net.ipv4.conf.all.rp_filter to 2 (loose)"
        )
    }
}

/// Asks the kernel for the way back to the first IPv4 block of each node, and compares it with each interface that the
/// node's packets may come in by: those on the node's network, or the vxlan device. Nothing is asked where the filter is
/// not strict. For `status`; call it after [`reconcile`](super::reconcile).
///
/// # Errors
/// The kernel refuses.
pub fn dropped_by_reverse_path_filter(
    kernel: &mut Socket<Route>,
    wanted: &Wanted,
) -> Result<Vec<ReversePathProblem>, NetError> {
    let doors = doors(kernel, wanted)?;
    let mut problems = Vec::new();
    for peer in wanted.peers.iter().filter(|_| !doors.is_empty()) {
        let Some(block) = peer.blocks.iter().find(|block| block.addr().is_ipv4()) else { continue };
        let back = match lookup::way_to(kernel, block.addr())? {
            Way::OnLink(interface) | Way::Through { interface, .. } => Some(interface),
            Way::Own | Way::None => None,
        };
        for door in doors.iter().filter(|door| door.serves(&peer.addresses) && Some(door.index) != back) {
            let (member, interface) = (peer.name.clone(), door.name.clone());
            problems.push(ReversePathProblem { member, block: *block, interface });
        }
    }
    Ok(problems)
}

/// An interface with a strict filter that packets of other nodes may come in by.
struct Door {
    index: u32,
    name: String,
    /// Of the nodes there; `None` for all nodes.
    network: Option<IpNet>,
}

impl Door {
    fn serves(&self, nodes: &[IpAddr]) -> bool {
        self.network.is_none_or(|network| nodes.iter().any(|node| network.contains(node)))
    }
}

fn doors(kernel: &mut Socket<Route>, wanted: &Wanted) -> Result<Vec<Door>, NetError> {
    let candidates: Vec<(u32, Option<IpNet>)> = match wanted.mode {
        Mode::Route => address::list_all(kernel)?
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
    let mut doors = Vec::new();
    for (index, network) in candidates {
        let Some(link) = link::get(kernel, link::Which::Index(index))? else { continue };
        if link.name == wanted.bridge {
            continue;
        }
        // The larger of the two counts.
        let own = sysctl::get(&format!("ipv4/conf/{}/rp_filter", link.name))?;
        if all.as_str().max(own.as_str()) == STRICT {
            doors.push(Door { index, name: link.name, network });
        }
    }
    Ok(doors)
}
