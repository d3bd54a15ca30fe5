//! `ginghamctl cluster join`: this node becomes a member, also after it has left.

use std::path::Path;

use gingham_net::node_routes;
use ipnet::IpNet;
use serde::Serialize;

use super::{CommandError, STORE_TIMEOUT, Session, blocks};
use crate::cli::JoinArguments;
use crate::output::{Output, print_error};

#[derive(Serialize)]
struct JoinReport<'a> {
    network: &'a str,
    node: &'a str,
    incarnation: u64,
    blocks: Vec<IpNet>,
    lost: Vec<IpNet>,
}

pub(super) fn run(arguments: &JoinArguments, library: &Path, out: &mut Output) -> Result<(), CommandError> {
    Session::of(&arguments.cluster, library, |session| {
        let joined = session.cluster.join(session.policy, STORE_TIMEOUT).map_err(|source| session.fault(source))?;
        // Without it the first ADD would ask the store.
        let ensured = session.cluster.ensure(session.policy, 1, Session::deadline(), &mut Vec::new());
        let ensured = ensured.map_err(|source| session.fault(source))?;
        if !node_routes::is_agent_running(&session.settings.data_dir) {
            let report = session.refresh_routes()?.unwrap_or_default();
            let conflicts = report.conflicts.iter().map(ToString::to_string);
            let problems = report.problems.iter().map(ToString::to_string);
            conflicts.chain(problems).for_each(|text| print_error(&text));
        }
        let mut held = joined.held;
        held.extend(ensured.new);
        held.sort_unstable();
        held.dedup();
        let (network, node) = (session.network, session.cluster.node());
        if arguments.cluster.format.json {
            let report = JoinReport { network, node, incarnation: joined.incarnation, blocks: held, lost: joined.lost };
            return Ok(out.json(&report)?);
        }
        writeln!(out, "{node} is a member of network {network} and holds {}", blocks(&held))?;
        if !joined.lost.is_empty() {
            writeln!(out, "other nodes hold its earlier blocks now: {}", blocks(&joined.lost))?;
        }
        Ok(())
    })
}
