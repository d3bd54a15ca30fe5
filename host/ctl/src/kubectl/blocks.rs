//! `kubectl gingham blocks`: who holds what, and how many pods are in it.

use serde::Serialize;

use super::client::Kubectl;
use super::error::KubectlError;
use super::objects::{Objects, Pod};
use super::view;
use crate::cli::BlocksArguments;
use crate::output::Output;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    network: String,
    block: String,
    owner: String,
    pods: usize,
    note: &'static str,
    incarnation: u64,
    object: String,
}

pub(super) fn run(kubectl: &Kubectl, arguments: &BlocksArguments, out: &mut Output) -> Result<(), KubectlError> {
    let objects = Objects::read(kubectl)?;
    let pods: Vec<Pod> = kubectl.list(&["pods", "--all-namespaces"])?.iter().map(Pod::of).collect();
    let rows = rows(&objects, &pods, arguments);
    if view::json(&rows, arguments.view.output, out)? {
        return Ok(());
    }
    if rows.is_empty() {
        return Ok(writeln!(out, "no blocks")?);
    }
    let cells = |row: Row| {
        let (pods, incarnation) = (row.pods.to_string(), row.incarnation.to_string());
        [row.network, row.block, row.owner, pods, row.note.to_owned(), incarnation, row.object]
    };
    let headings = ["NETWORK", "BLOCK", "OWNER", "PODS", "NOTE", "INCARNATION", "OBJECT"];
    Ok(view::table::<5, 7>(headings, rows.into_iter().map(cells), arguments.view.output, out)?)
}

fn rows(objects: &Objects, pods: &[Pod], arguments: &BlocksArguments) -> Vec<Row> {
    let addresses: Vec<_> = pods.iter().flat_map(Pod::addresses).collect();
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    let shown = objects
        .blocks
        .iter()
        .filter(|block| is(&arguments.node, &block.owner) && is(&arguments.network, &block.network));
    let row = |block: &super::objects::Block| Row {
        network: block.network.clone(),
        block: block.cidr.clone(),
        owner: block.owner.clone(),
        pods: addresses.iter().filter(|address| block.block.is_some_and(|block| block.contains(**address))).count(),
        note: objects.problem(block),
        incarnation: block.incarnation,
        object: block.object.clone(),
    };
    shown.map(row).collect()
}
