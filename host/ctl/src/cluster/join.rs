//! `ginghamctl cluster join`: this node becomes a member, also after it has left.

use std::path::Path;

use gingham_net::node_routes;
use ipnet::IpNet;
use serde::Serialize;

use super::{CommandError, PATIENCE, Place, blocks};
use crate::cli::JoinArguments;
use crate::output::{Output, complain};

#[derive(Serialize)]
struct Told<'a> {
    network: &'a str,
    node: &'a str,
    incarnation: u64,
    blocks: Vec<IpNet>,
    lost: Vec<IpNet>,
}

pub(super) fn run(arguments: &JoinArguments, library: &Path, out: &mut Output) -> Result<(), CommandError> {
    Place::of(&arguments.cluster, library, |place| {
        let joined = place.cluster.join(place.policy, PATIENCE).map_err(|source| place.fault(source))?;
        // Without it the first ADD would ask the store.
        let ensured = place.cluster.ensure(place.policy, 1, Place::deadline(), &mut Vec::new());
        let ensured = ensured.map_err(|source| place.fault(source))?;
        if !node_routes::is_agent_running(&place.settings.data_dir) {
            let report = place.refresh_ways()?.unwrap_or_default();
            let conflicts = report.conflicts.iter().map(ToString::to_string);
            let problems = report.problems.iter().map(ToString::to_string);
            conflicts.chain(problems).for_each(|text| complain(&text));
        }
        let mut held = joined.held;
        held.extend(ensured.new);
        held.sort_unstable();
        held.dedup();
        let (network, node) = (place.network, place.cluster.node());
        if arguments.cluster.answer.json {
            let told = Told { network, node, incarnation: joined.incarnation, blocks: held, lost: joined.lost };
            return Ok(out.json(&told)?);
        }
        writeln!(out, "{node} is a member of network {network} and holds {}", blocks(&held))?;
        if !joined.lost.is_empty() {
            writeln!(out, "others have taken over what it held before: {}", blocks(&joined.lost))?;
        }
        Ok(())
    })
}
