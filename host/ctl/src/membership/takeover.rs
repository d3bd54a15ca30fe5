//! `ginghamctl cluster takeover`: the membership of a node that is gone ends, after a look whether it is.

use std::io;
use std::path::Path;

use gingham_cluster::Status;
use gingham_ownership::error::ClusterError;
use gingham_ownership::record::{MemberRecord, Membership};
use gingham_ownership::takeover::TakenOver;
use ipnet::IpNet;
use serde::Serialize;

use super::{CommandError, STORE_TIMEOUT, Session, blocks};
use crate::cli::TakeoverArguments;
use crate::clock;
use crate::confirmation::confirm;
use crate::output::Output;

/// So many heirs are named.
const MOST_NAMED: usize = 8;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TakeoverReport<'a> {
    network: &'a str,
    node: &'a str,
    /// False if the node was no member any more.
    done: bool,
    fenced: u64,
    blocks: Vec<IpNet>,
    watched_seconds: u64,
}

pub(super) fn run(arguments: &TakeoverArguments, library: &Path, out: &mut Output) -> Result<(), CommandError> {
    Session::of(&arguments.cluster, library, |session| {
        let node = arguments.node.as_str();
        let status = session.cluster.status(session.policy, Session::deadline(), &mut Vec::new());
        let status = status.map_err(|source| session.fault(source))?;
        let record = member(node, &status).map_err(|source| session.fault(source.into()))?;
        let held = status.members.iter().find(|member| member.name == node).map(|member| member.blocks.clone());
        let held = held.unwrap_or_default();
        if record.membership != Membership::Member && !record.is_alive() {
            return over(arguments, session, record, out);
        }
        if !arguments.cluster.format.json {
            announce(arguments, session, (&status, record, &held), out)?;
        }
        let question = format!("Take {node} over?");
        confirm(&question, &arguments.confirmed, arguments.cluster.format.json, out)?;
        let taken = end(session, node, arguments.force)?;
        let (network, node) = (session.network, node);
        if arguments.cluster.format.json {
            let watched_seconds = if arguments.force { 0 } else { session.cluster.watch_time().as_secs() };
            let report =
                TakeoverReport { network, node, done: true, fenced: taken.fenced, blocks: held, watched_seconds };
            return Ok(out.json(&report)?);
        }
        Ok(writeln!(out, "{node} is taken over; free for the other nodes: {}", blocks(&held))?)
    })
}

/// Watches a node and ends its membership.
pub(crate) fn end(session: &mut Session<'_>, node: &str, force: bool) -> Result<TakenOver, CommandError> {
    session.cluster.takeover(node, force, STORE_TIMEOUT).map_err(|source| session.fault(source))
}

fn member<'s>(node: &str, status: &'s Status) -> Result<&'s MemberRecord, ClusterError> {
    if node == status.node {
        return Err(ClusterError::OwnNode { node: node.to_owned() });
    }
    let seen = status.records.members.get(node);
    Ok(&seen.ok_or_else(|| ClusterError::NoSuchMember { node: node.to_owned() })?.record)
}

/// There is nothing to end.
fn over(
    arguments: &TakeoverArguments,
    session: &Session<'_>,
    record: &MemberRecord,
    out: &mut Output,
) -> Result<(), CommandError> {
    let (network, node) = (session.network, arguments.node.as_str());
    if arguments.cluster.format.json {
        let fenced = record.fenced;
        return Ok(out.json(&TakeoverReport {
            network,
            node,
            done: false,
            fenced,
            blocks: Vec::new(),
            watched_seconds: 0,
        })?);
    }
    let how = if record.membership == Membership::Left { "has left" } else { "was taken over already" };
    Ok(writeln!(out, "{node} {how}; nothing was changed")?)
}

/// Says what is about to happen.
fn announce(
    arguments: &TakeoverArguments,
    session: &Session<'_>,
    (status, record, held): (&Status, &MemberRecord, &[IpNet]),
    out: &mut Output,
) -> io::Result<()> {
    let (network, node) = (session.network, &arguments.node);
    let address = record.address.map(|address| format!(" at {address}")).unwrap_or_default();
    writeln!(
        out,
        "{node}{address}, member of network {network} since {}, will be taken over:",
        clock::utc(record.since)
    )?;
    writeln!(out, "  its blocks become free for the other nodes: {}", blocks(held))?;
    let others: Vec<&str> = status.records.member_names().filter(|name| name != node).collect();
    match others.as_slice() {
        [heir] => writeln!(out, "  its share goes to {heir}")?,
        heirs if heirs.len() > MOST_NAMED => writeln!(out, "  its share goes to {} members", heirs.len())?,
        heirs => writeln!(out, "  its share goes to {}", heirs.join(", "))?,
    }
    writeln!(
        out,
        "  containers that still run there would share their addresses with others: make sure that none runs"
    )?;
    if arguments.force {
        return writeln!(out, "  it is not watched (--force)");
    }
    if !session.cluster.has_leases() && !status.records.life.contains_key(node) {
        writeln!(
            out,
            "  it was never seen alive, because gingham-node does not run there: its silence proves nothing"
        )?;
    }
    let seconds = session.cluster.watch_time().as_secs();
    writeln!(out, "  it is watched for {seconds} s first; if it is alive, nothing is changed")
}
