//! `kubectl gingham takeover`: the blocks of a dead node become free, by the agent of another node.

use super::agents::Agents;
use super::client::Kubectl;
use super::drain::network_of;
use super::error::KubectlError;
use crate::cli::KubectlTakeoverArguments;
use crate::confirmation::confirm;
use crate::output::Output;

pub(super) fn run(
    kubectl: &Kubectl,
    arguments: &KubectlTakeoverArguments,
    out: &mut Output,
) -> Result<(), KubectlError> {
    let node = arguments.node.as_str();
    let network = network_of(kubectl, node, arguments.network.as_deref())?;
    let agents = Agents::list(kubectl)?;
    let by = agents.elsewhere(node)?;
    let how = if arguments.force { "without watching it" } else { "after its Lease was watched for 25 s" };
    writeln!(out, "the agent on {by} takes {node} over in network {network}, {how}")?;
    writeln!(
        out,
        "  containers that still run on {node} would share their addresses with others: make sure that none runs"
    )?;
    confirm(&format!("Take {node} over?"), &arguments.confirmed, false, out)?;
    out.flush()?;
    let mut command = vec!["cluster", "takeover", node, "--network", &network, "--yes"];
    command.extend(arguments.force.then_some("--force"));
    let taken = agents.run(by, &command)?;
    Ok(out.lines(&taken)?)
}
