//! `ginghamctl cluster leave`: this node gives up its membership, its blocks, and what the kernel has of them.

use std::io;
use std::path::Path;

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::{Ledger, LedgerQueries};
use gingham_net::netlink::{Route, Socket};
use gingham_net::{address, link, node_routes};
use gingham_ownership::local::MembershipState;
use ipnet::IpNet;
use serde::Serialize;

use super::{CommandError, Session, blocks};
use crate::cli::LeaveArguments;
use crate::clock;
use crate::confirmation::confirm;
use crate::output::Output;

#[derive(Serialize)]
struct LeaveReport<'a> {
    network: &'a str,
    node: &'a str,
    blocks: Vec<IpNet>,
}

pub(super) fn run(arguments: &LeaveArguments, library: &Path, out: &mut Output) -> Result<(), CommandError> {
    Session::of(&arguments.cluster, library, |session| {
        require_access(session)?;
        let (local, _) = session.cluster.known(session.policy).map_err(|source| session.fault(source))?;
        let held: Vec<IpNet> = local.held().collect();
        session.cluster.require_leave(arguments.force).map_err(|source| session.fault(source))?;
        if !arguments.cluster.format.json {
            announce(session, &held, out)?;
        }
        let question = format!("Leave network {}?", session.network);
        confirm(&question, &arguments.confirmed, arguments.cluster.format.json, out)?;
        let left = session.cluster.leave(arguments.force, Session::deadline());
        let (now, _) = session.cluster.known(session.policy).map_err(|source| session.fault(source))?;
        if now.held().next().is_none() {
            // It is out here, also if the store did not hear of it.
            forget_own_address(session)?;
            remove_routes(session)?;
        }
        left.map_err(|source| match now.membership() {
            MembershipState::Left => {
                CommandError::HalfLeft { network: session.network.to_owned(), source: Box::new(source) }
            }
            _ => session.fault(source),
        })?;
        let (network, node) = (session.network, session.cluster.node());
        if arguments.cluster.format.json {
            return Ok(out.json(&LeaveReport { network, node, blocks: held })?);
        }
        if local.membership() == MembershipState::Left {
            // Its blocks went out of its hands then, and out of its name now, if the store had not heard of it.
            return Ok(writeln!(out, "{node} has left network {network}; the store is up to date")?);
        }
        Ok(writeln!(out, "{node} has left network {network} and gave back {}", blocks(&held))?)
    })
}

/// A store that does not answer may hear of it later. One that this process cannot call never would.
fn require_access(session: &Session<'_>) -> Result<(), CommandError> {
    if session.cluster.is_shared() && !session.cluster.can_call_store() {
        return Err(CommandError::NoAccess { network: session.network.to_owned() });
    }
    Ok(())
}

/// Says what is about to happen.
fn announce(session: &Session<'_>, held: &[IpNet], out: &mut Output) -> io::Result<()> {
    writeln!(out, "{}, this node, leaves network {}:", session.cluster.node(), session.network)?;
    writeln!(out, "  its blocks become free for the other nodes: {}", blocks(held))?;
    writeln!(out, "  its own address on {} and its routes to other nodes are removed", session.bridge)
}

/// The node's own lease lies in a block that is another's soon.
fn forget_own_address(session: &Session<'_>) -> Result<(), CommandError> {
    let key = AttachmentKey::of_node(session.cluster.node(), &session.bridge);
    let mut ledger = session.cluster.ledger().map_err(|source| session.fault(source))?;
    if ledger.attachment(&key)?.is_some() {
        ledger.detach(&key, clock::now())?;
        ledger.commit()?;
    }
    Ok(())
}

/// Routes to others, answers for them, and the bridge's own addresses in the range: it would speak for another node.
fn remove_routes(session: &Session<'_>) -> Result<(), CommandError> {
    let mut kernel = Socket::<Route>::open()?;
    let ranges = session.ranges();
    node_routes::remove(&mut kernel, session.network, &session.bridge, &ranges)
        .map_err(|source| CommandError::Reach { network: session.network.to_owned(), source })?;
    let Some(bridge) = link::by_name(&mut kernel, &session.bridge)? else { return Ok(()) };
    for own in address::list(&mut kernel, bridge.index)? {
        if ranges.iter().any(|range| range.contains(&own.net.addr())) {
            address::delete(&mut kernel, bridge.index, own.net)?;
        }
    }
    Ok(())
}
