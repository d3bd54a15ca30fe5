//! `kubectl gingham status`: networks and members, and the problems of nodes.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::agents::Agents;
use super::client::Kubectl;
use super::error::KubectlError;
use super::objects::{self, Member, Network, Objects, conditions, text};
use super::view;
use crate::cli::KubectlStatusArguments;
use crate::output::Output;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    networks: Vec<NetworkRow>,
    members: Vec<MemberRow>,
    /// Nodes that no network has as a member.
    other_nodes: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NetworkRow {
    network: String,
    range: String,
    policy: String,
    members: usize,
    blocks: usize,
    /// How many blocks there can be; none before the first member.
    capacity: Option<u64>,
    /// Blocks that no node may use: see `kubectl gingham blocks`.
    unusable: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberRow {
    network: String,
    node: String,
    state: String,
    blocks: usize,
    problem: String,
    address: String,
    incarnation: u64,
    fenced: u64,
}

pub(super) fn run(kubectl: &Kubectl, arguments: &KubectlStatusArguments, out: &mut Output) -> Result<(), KubectlError> {
    let objects = Objects::read(kubectl)?;
    if objects.networks.is_empty() {
        return Err(KubectlError::NoNetwork);
    }
    let report = report(&objects, &problems(kubectl)?);
    let view = arguments.view.output;
    if view::json(&report, view, out)? {
        return Ok(());
    }
    let networks = report.networks.into_iter().map(|row| {
        let capacity = row.capacity.map(|capacity| format!(" of {capacity}")).unwrap_or_default();
        let (blocks, unusable) = (format!("{}{capacity}", row.blocks), row.unusable.to_string());
        [row.network, row.range, row.policy, row.members.to_string(), blocks, unusable]
    });
    view::table::<6, 6>(["NETWORK", "RANGE", "POLICY", "MEMBERS", "BLOCKS", "UNUSABLE"], networks, view, out)?;
    writeln!(out)?;
    let members = report.members.into_iter().map(|row| {
        let [incarnation, fenced] = [row.incarnation, row.fenced].map(|number| number.to_string());
        let blocks = row.blocks.to_string();
        [row.network, row.node, row.state, blocks, row.problem, row.address, incarnation, fenced]
    });
    let headings = ["NETWORK", "NODE", "STATE", "BLOCKS", "PROBLEM", "ADDRESS", "INCARNATION", "FENCED"];
    view::table::<5, 8>(headings, members, view, out)?;
    if !report.other_nodes.is_empty() {
        writeln!(out)?;
        writeln!(out, "no members: {}", report.other_nodes.join(", "))?;
    }
    Ok(())
}

fn report(objects: &Objects, problems: &BTreeMap<String, String>) -> Report {
    let counts = objects::count_by_owner(objects);
    let is_member = |node: &&String| !objects.members.iter().any(|member| member.node == **node);
    Report {
        networks: objects.networks.iter().map(|network| of_network(network, objects)).collect(),
        members: objects
            .members
            .iter()
            .map(|member| {
                let blocks = counts.get(&(member.network.as_str(), member.node.as_str())).copied().unwrap_or_default();
                of_member(member, blocks, problems)
            })
            .collect(),
        other_nodes: problems.keys().filter(is_member).cloned().collect(),
    }
}

fn of_network(network: &Network, objects: &Objects) -> NetworkRow {
    let blocks = || objects.blocks.iter().filter(|block| block.network == network.name);
    let members = objects.members.iter().filter(|member| member.network == network.name);
    NetworkRow {
        network: network.name.clone(),
        range: network.ranges(),
        policy: network.policy.clone(),
        members: members.filter(|member| member.membership == "member").count(),
        blocks: blocks().filter(|block| objects.problem(block).is_empty()).count(),
        capacity: network.capacity(),
        unusable: blocks().filter(|block| block.block.is_none() || block.is_terminating).count(),
    }
}

fn of_member(member: &Member, blocks: usize, problems: &BTreeMap<String, String>) -> MemberRow {
    let is_member = member.membership == "member";
    let problem = match problems.get(&member.node) {
        _ if !member.is_readable => "unreadable: the object's name and spec.node differ".to_owned(),
        Some(problem) => problem.clone(),
        None if is_member => "its Node does not exist: the other agents take it over".to_owned(),
        None => String::new(),
    };
    MemberRow {
        network: member.network.clone(),
        node: member.node.clone(),
        state: if member.membership == "taken" { "taken over".to_owned() } else { member.membership.clone() },
        blocks,
        problem,
        address: member.address.clone(),
        incarnation: member.incarnation,
        fenced: member.fenced,
    }
}

/// Of each Node; empty where there is none.
fn problems(kubectl: &Kubectl) -> Result<BTreeMap<String, String>, KubectlError> {
    let nodes = kubectl.list(&["nodes"])?;
    let agents = Agents::list(kubectl)?;
    Ok(nodes.iter().map(|node| problem(node, &agents)).collect())
}

fn problem(node: &Value, agents: &Agents<'_>) -> (String, String) {
    let name = text(node, "/metadata/name");
    let of_gingham = |condition: &&Value| {
        text(condition, "/type").starts_with(gingham_kubernetes::GROUP) && condition["status"] == "False"
    };
    let is_silent = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "Unknown";
    let problem = match conditions(node).find(of_gingham) {
        _ if conditions(node).any(is_silent) => "its kubelet is silent".to_owned(),
        Some(condition) => text(condition, "/message"),
        None if agents.is_ready_on(&name) => String::new(),
        None => "no agent is ready on this node".to_owned(),
    };
    (name, problem)
}
