//! `ginghamctl cluster status`: the nodes of a network at a glance.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use gingham_cluster::{Fault, Status, Usage};
use gingham_engine::address::IpRange;
use gingham_engine::settings::membership::StoreSettings;
use gingham_engine::settings::routing::Routing;
use gingham_net::netlink::{Route, Socket};
use gingham_net::node_routes::{self, NodeRoute};
use gingham_ownership::grid::Grid;
use gingham_ownership::local::LocalState;
use gingham_ownership::record::Membership;
use ipnet::IpNet;
use serde::Serialize;

use super::block_map::{BlockMap, Holder};
use super::{CommandError, Session};
use crate::cli::ClusterStatusArguments;
use crate::output::Output;
use crate::table::{Table, count};

const MISSING: &str = "missing";

/// The state of a member of a list, which has a share and no blocks.
const LISTED: &str = "listed";

/// Everything that is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Snapshot {
    network: String,
    node: String,
    store: String,
    routing: &'static str,
    /// Whether gingham-node runs.
    agent_running: bool,
    store_reachable: bool,
    /// What is wrong with this node's membership, or why the store could not be asked.
    problem: Option<String>,
    grids: Vec<Grid>,
    members: Vec<Member>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    node: String,
    this_node: bool,
    #[serde(serialize_with = "as_texts")]
    share: Vec<IpRange>,
    blocks: Vec<IpNet>,
    /// Known of this node alone.
    used: Option<u64>,
    cooling: Option<u64>,
    free: Option<u64>,
    address: Option<IpAddr>,
    route: Option<&'static str>,
    state: Option<&'static str>,
}

fn as_texts<S: serde::Serializer>(ranges: &[IpRange], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ranges.iter().map(ToString::to_string))
}

pub(super) fn run(arguments: &ClusterStatusArguments, library: &Path, out: &mut Output) -> Result<(), CommandError> {
    Session::of(&arguments.cluster, library, |session| {
        let (snapshot, fault) = Snapshot::of(session)?;
        if arguments.cluster.format.json {
            out.json(&snapshot)?;
        } else {
            show(&snapshot, out)?;
        }
        // What is known here was shown; that it is not all is a failure.
        fault.map_or(Ok(()), |fault| Err(session.fault(fault)))
    })
}

impl Snapshot {
    /// Asks the store; with a fault, what this node knows itself.
    pub(crate) fn of(session: &mut Session<'_>) -> Result<(Self, Option<Fault>), CommandError> {
        if !session.cluster.is_shared() {
            return Ok((Self::of_list(session)?, None));
        }
        let status = session.cluster.status(session.policy, Session::deadline(), &mut Vec::new());
        match status {
            Ok(status) => {
                let routes = routes(session)?;
                let mut snapshot = Self::empty(session, status.problem.as_ref().map(ToString::to_string));
                snapshot.members = members(&status, session.settings.routing, &routes);
                Ok((snapshot, None))
            }
            Err(fault) => {
                // Where not even that can be had, the first fault says why.
                let Ok((local, usage)) = session.cluster.known(session.policy) else {
                    return Err(session.fault(fault));
                };
                let mut snapshot = Self::empty(session, Some(fault.to_string()));
                snapshot.store_reachable = false;
                snapshot.members = vec![this_node(&local, usage, session.cluster.settings().address)];
                Ok((snapshot, Some(fault)))
            }
        }
    }

    /// The sizes of the shares, in addresses, of those that have one.
    pub(crate) fn shares(&self) -> Vec<u128> {
        let shares = self.members.iter().filter(|member| !member.share.is_empty());
        shares.map(|member| member.share.iter().map(IpRange::len).sum()).collect()
    }

    /// Whether no share is larger than another by more than one block.
    pub(crate) fn has_equal_shares(&self) -> bool {
        let block: u128 = self.grids.iter().map(Grid::block_size).sum();
        let shares = self.shares();
        let (least, most) = (shares.iter().min(), shares.iter().max());
        least.zip(most).is_some_and(|(least, most)| most - least <= block)
    }

    /// Whether there are routes to all blocks of all nodes.
    pub(crate) fn reaches_all(&self) -> bool {
        self.members.iter().all(|member| member.route != Some(MISSING))
    }

    fn empty(session: &Session<'_>, problem: Option<String>) -> Self {
        Self {
            network: session.network.to_owned(),
            node: session.cluster.node().to_owned(),
            store: store(&session.cluster.settings().store),
            routing: word(session.settings.routing).unwrap_or("none"),
            agent_running: node_routes::is_agent_running(&session.settings.data_dir),
            store_reachable: true,
            problem,
            grids: session.policy.grids().to_vec(),
            members: Vec::new(),
        }
    }

    /// Without a store: what the list of members means.
    fn of_list(session: &mut Session<'_>) -> Result<Self, CommandError> {
        let me = session.cluster.node().to_owned();
        let names = match &session.cluster.settings().store {
            StoreSettings::Local { members } if !members.is_empty() => members.clone(),
            _ => vec![me.clone()],
        };
        let mut snapshot = Self::empty(session, None);
        for node in &names {
            let share = session.policy.share(&names, node, &mut Vec::new());
            let share = share.map_err(|source| CommandError::Policy {
                network: session.network.to_owned(),
                source: Box::new(source),
            })?;
            snapshot.members.push(Member {
                node: node.clone(),
                this_node: *node == me,
                share,
                blocks: Vec::new(),
                used: None,
                cooling: None,
                free: None,
                address: None,
                route: None,
                state: Some(LISTED),
            });
        }
        Ok(snapshot)
    }
}

fn routes(session: &Session<'_>) -> Result<Vec<NodeRoute>, CommandError> {
    if session.settings.routing == Routing::None {
        return Ok(Vec::new());
    }
    Ok(node_routes::list(&mut Socket::<Route>::open()?, &session.ranges())?)
}

fn members(status: &Status, routing: Routing, routes: &[NodeRoute]) -> Vec<Member> {
    let of = |member: &gingham_cluster::MemberStatus| {
        let this_node = member.name == status.node;
        let usage = Some(status.usage).filter(|_| this_node);
        Member {
            node: member.name.clone(),
            this_node,
            share: member.share.clone(),
            blocks: member.blocks.clone(),
            used: usage.map(|usage| usage.used),
            cooling: usage.map(|usage| usage.cooling),
            free: usage.map(|usage| usage.free),
            address: member.address,
            route: if this_node { Some("local") } else { route(&member.blocks, routing, routes) },
            state: Some(match member.membership {
                Membership::Member => "member",
                Membership::Left => "left",
                Membership::Taken => "taken",
            }),
        }
    };
    status.members.iter().map(of).collect()
}

/// What this node knows of itself without the store.
fn this_node(local: &LocalState, usage: Usage, address: Option<IpAddr>) -> Member {
    Member {
        node: local.node().to_owned(),
        this_node: true,
        share: Vec::new(),
        blocks: local.held().collect(),
        used: Some(usage.used),
        cooling: Some(usage.cooling),
        free: Some(usage.free),
        address,
        route: Some("local"),
        state: None,
    }
}

fn word(routing: Routing) -> Option<&'static str> {
    match routing {
        Routing::None => None,
        Routing::Direct => Some("direct"),
        Routing::Vxlan => Some("vxlan"),
    }
}

/// Whether there are routes to all blocks of another node; none if there is nothing to reach, or no agent to do it here.
fn route(blocks: &[IpNet], routing: Routing, routes: &[NodeRoute]) -> Option<&'static str> {
    let word = word(routing).filter(|_| !blocks.is_empty())?;
    let is_reached = |block: &IpNet| routes.iter().any(|route| route.destination.contains(block));
    Some(if blocks.iter().all(is_reached) { word } else { MISSING })
}

fn store(store: &StoreSettings) -> String {
    match store {
        StoreSettings::Etcd(etcd) => {
            let endpoints: Vec<String> = etcd.endpoints.iter().map(ToString::to_string).collect();
            format!("etcd at {}", endpoints.join(", "))
        }
        StoreSettings::Kubernetes { .. } => "kubernetes".to_owned(),
        StoreSettings::Directory { path } => format!("directory {}", path.display()),
        StoreSettings::Local { members } if members.is_empty() => "none, this node is alone".to_owned(),
        StoreSettings::Local { .. } => "none, the members are a list".to_owned(),
    }
}

/// For people.
pub(crate) fn show(snapshot: &Snapshot, out: &mut Output) -> io::Result<()> {
    writeln!(out, "network {}, store {}, routing {}", snapshot.network, snapshot.store, snapshot.routing)?;
    out.table(&table(&snapshot.members))?;
    let holders: Vec<Holder<'_>> = snapshot.members.iter().map(Member::holder).collect();
    for grid in &snapshot.grids {
        out.lines(&BlockMap { grid: *grid, holders: &holders })?;
    }
    if !snapshot.store_reachable {
        writeln!(out, "the store is unreachable: this is the part of {}", snapshot.node)?;
    } else if let Some(problem) = &snapshot.problem {
        writeln!(out, "{problem}")?;
    }
    if !snapshot.agent_running && snapshot.routing != "none" {
        writeln!(out, "gingham-node does not run here: the routes are those of the last ADD that claimed a block")?;
    }
    Ok(())
}

fn table(members: &[Member]) -> Table<9> {
    let mut table = Table::new(["NODE", "SHARE", "BLOCKS", "USED", "COOLING", "FREE", "ADDRESS", "ROUTE", "STATE"]);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for member in members {
        let share: Vec<String> = member.share.iter().map(ToString::to_string).collect();
        table.row([
            if member.this_node { format!("{} *", member.node) } else { member.node.clone() },
            or_dash((!share.is_empty()).then(|| share.join(", "))),
            or_dash((member.state != Some(LISTED)).then(|| member.blocks.len().to_string())),
            or_dash(member.used.map(count)),
            or_dash(member.cooling.map(count)),
            or_dash(member.free.map(count)),
            or_dash(member.address.map(|address| address.to_string())),
            or_dash(member.route.map(str::to_owned)),
            match member.state {
                Some("taken") => "taken over".to_owned(),
                Some(state) => state.to_owned(),
                None => "unknown".to_owned(),
            },
        ]);
    }
    table
}

impl Member {
    fn holder(&self) -> Holder<'_> {
        Holder { name: &self.node, is_this_node: self.this_node, share: &self.share, blocks: &self.blocks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_reached_if_all_its_blocks_are() {
        let blocks: Vec<IpNet> = ["10.0.0.0/24", "10.0.1.0/24"].map(|block| block.parse().unwrap()).into();
        let kept = |text: &str| NodeRoute { destination: text.parse().unwrap(), gateway: None, interface: None };
        assert_eq!(route(&blocks, Routing::Direct, &[kept("10.0.0.0/23")]), Some("direct"));
        assert_eq!(route(&blocks, Routing::Vxlan, &[kept("10.0.0.0/24"), kept("10.0.1.0/24")]), Some("vxlan"));
        assert_eq!(route(&blocks, Routing::Direct, &[kept("10.0.0.0/24")]), Some("missing"));
        assert_eq!(route(&[], Routing::Direct, &[]), None);
        assert_eq!(route(&blocks, Routing::None, &[]), None);
    }
}
