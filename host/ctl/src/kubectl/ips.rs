//! `kubectl gingham ips`: pods joined with blocks, and with leases if they are asked for. Nothing is written for a pod.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;

use super::agents::Agents;
use super::client::Kubectl;
use super::error::KubectlError;
use super::leases::Leases;
use super::objects::{Objects, Pod};
use super::view;
use crate::cli::IpsArguments;
use crate::output::{Output, print_error};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    namespace: String,
    pod: String,
    address: IpAddr,
    node: String,
    network: Option<String>,
    block: Option<String>,
    note: &'static str,
    /// None if leases were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<String>,
    owner: Option<String>,
    phase: String,
}

pub(super) fn run(kubectl: &Kubectl, arguments: &IpsArguments, out: &mut Output) -> Result<(), KubectlError> {
    let objects = Objects::read(kubectl)?;
    let pods = pods(kubectl, arguments)?;
    let mut rows: Vec<Row> = pods.iter().flat_map(|pod| of_pod(pod, &objects)).collect();
    if arguments.leases {
        add_leases(kubectl, arguments, &objects, &mut rows)?;
    }
    let view = arguments.view.output;
    if view::json(&rows, view, out)? {
        return Ok(());
    }
    if rows.is_empty() {
        return Ok(writeln!(out, "no pods with addresses")?);
    }
    show(rows, arguments, out)
}

fn show(rows: Vec<Row>, arguments: &IpsArguments, out: &mut Output) -> Result<(), KubectlError> {
    let view = arguments.view.output;
    let or_empty = Option::unwrap_or_default;
    if arguments.leases {
        let headings = ["NAMESPACE", "POD", "ADDRESS", "NODE", "NETWORK", "BLOCK", "LEASE", "NOTE", "OWNER", "PHASE"];
        let cells = |row: Row| {
            let (address, note, lease) = (row.address.to_string(), row.note.to_owned(), or_empty(row.lease));
            let (network, block, owner) = (or_empty(row.network), or_empty(row.block), or_empty(row.owner));
            [row.namespace, row.pod, address, row.node, network, block, lease, note, owner, row.phase]
        };
        return Ok(view::table::<8, 10>(headings, rows.into_iter().map(cells), view, out)?);
    }
    let headings = ["NAMESPACE", "POD", "ADDRESS", "NODE", "NETWORK", "BLOCK", "NOTE", "OWNER", "PHASE"];
    let cells = |row: Row| {
        let (address, note) = (row.address.to_string(), row.note.to_owned());
        let (network, block, owner) = (or_empty(row.network), or_empty(row.block), or_empty(row.owner));
        [row.namespace, row.pod, address, row.node, network, block, note, owner, row.phase]
    };
    Ok(view::table::<7, 9>(headings, rows.into_iter().map(cells), view, out)?)
}

fn pods(kubectl: &Kubectl, arguments: &IpsArguments) -> Result<Vec<Pod>, KubectlError> {
    let mut which = vec!["pods".to_owned()];
    which.extend(if arguments.all_namespaces { vec!["--all-namespaces".to_owned()] } else { kubectl.namespace() });
    which.extend(arguments.selector.iter().map(|selector| format!("--selector={selector}")));
    which.extend(arguments.node.iter().map(|node| format!("--field-selector=spec.nodeName={node}")));
    let which: Vec<&str> = which.iter().map(String::as_str).collect();
    Ok(kubectl.list(&which)?.iter().map(Pod::of).collect())
}

fn of_pod(pod: &Pod, objects: &Objects) -> Vec<Row> {
    let row = |address: &IpAddr| {
        let block = objects.holding(*address);
        let note = match block {
            None if objects.covers(*address) => "in no block",
            None => "not of Gingham",
            Some(block) if block.owner != pod.node => "not this node's block",
            Some(block) => objects.problem(block),
        };
        Row {
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            address: *address,
            node: pod.node.clone(),
            network: block.map(|block| block.network.clone()),
            block: block.map(|block| block.cidr.clone()),
            note,
            lease: None,
            owner: block.map(|block| block.owner.clone()),
            phase: pod.phase.clone(),
        }
    };
    pod.addresses().iter().map(row).collect()
}

/// Also leases of pods that the API does not have, where all pods are shown.
fn add_leases(
    kubectl: &Kubectl,
    arguments: &IpsArguments,
    objects: &Objects,
    rows: &mut Vec<Row>,
) -> Result<(), KubectlError> {
    let agents = Agents::list(kubectl)?;
    let shows_all = arguments.all_namespaces && arguments.selector.is_none();
    let is_wanted = |node: &str| arguments.node.as_deref().is_none_or(|wanted| wanted == node);
    let members = objects.members.iter().filter(|_| shows_all).map(|member| member.node.as_str());
    let nodes: BTreeSet<&str> =
        rows.iter().map(|row| row.node.as_str()).chain(members).filter(|node| is_wanted(node)).collect();
    let leases = Leases::read(&agents, nodes);
    let known: BTreeSet<(String, IpAddr)> = rows.iter().map(|row| (row.node.clone(), row.address)).collect();
    for row in rows.iter_mut() {
        row.lease = Some(leases.state(&row.node, (&row.namespace, &row.pod), row.address));
    }
    let without_pod =
        leases.of_pods().filter(|(node, _, _, address)| shows_all && !known.contains(&((*node).to_owned(), *address)));
    for (node, lease, pod, address) in without_pod {
        let block = objects.holding(address);
        rows.push(Row {
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            address,
            node: node.to_owned(),
            network: Some(lease.network.clone()),
            block: block.map(|block| block.cidr.clone()),
            note: "no pod has it",
            lease: Some(lease.state.clone()),
            owner: block.map(|block| block.owner.clone()),
            phase: String::new(),
        });
    }
    leases.into_errors().for_each(print_error);
    Ok(())
}
