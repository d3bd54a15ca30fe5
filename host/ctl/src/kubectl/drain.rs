//! `kubectl gingham drain` and `undrain`: a node gives its pods and its blocks away, and comes back.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use super::agents::Agents;
use super::client::Kubectl;
use super::error::KubectlError;
use super::leases::Leases;
use super::objects::Objects;
use crate::cli::{DrainArguments, UndrainArguments};
use crate::output::Output;

/// The kubelet ends the network of a pod after the API has forgotten the pod.
const NETWORKS_END_TIMEOUT: Duration = Duration::from_mins(1);

pub(super) fn drain(kubectl: &Kubectl, arguments: &DrainArguments, out: &mut Output) -> Result<(), KubectlError> {
    let node = arguments.node.as_str();
    let network = network_of(kubectl, node, arguments.network.as_deref())?;
    // Before pods are moved: without an agent the node could not leave after that.
    let agents = Agents::list(kubectl)?;
    require_agent(&agents, node)?;
    let timeout = arguments.timeout.as_ref().map(|timeout| format!("--timeout={timeout}"));
    let mut drain = vec!["drain", node, "--ignore-daemonsets"];
    drain.extend(timeout.as_deref());
    drain.extend(arguments.delete_emptydir_data.then_some("--delete-emptydir-data"));
    drain.extend(arguments.force.then_some("--force"));
    kubectl.show(&drain)?;
    wait_for_networks(&agents, node, &network);
    let left = agents.run(node, &["cluster", "leave", "--network", &network, "--yes"])?;
    Ok(out.lines(&left)?)
}

pub(super) fn undrain(kubectl: &Kubectl, arguments: &UndrainArguments, out: &mut Output) -> Result<(), KubectlError> {
    let node = arguments.node.as_str();
    let network = network_of(kubectl, node, arguments.network.as_deref())?;
    let agents = Agents::list(kubectl)?;
    let joined = agents.run(node, &["cluster", "join", "--network", &network])?;
    out.lines(&joined)?;
    out.flush()?;
    kubectl.show(&["uncordon", node])
}

/// Without an error: the node refuses to leave while pods have addresses, and says how many.
fn wait_for_networks(agents: &Agents<'_>, node: &str, network: &str) {
    let deadline = Instant::now() + NETWORKS_END_TIMEOUT;
    let has_pods = || {
        let leases = Leases::read(agents, BTreeSet::from([node]));
        leases.of_pods().any(|(_, lease, ..)| lease.network == network)
    };
    while has_pods() && Instant::now() < deadline {
        thread::sleep(Duration::from_secs(1));
    }
}

fn require_agent(agents: &Agents<'_>, node: &str) -> Result<(), KubectlError> {
    if agents.is_ready_on(node) {
        return Ok(());
    }
    Err(agents.missing(format!(" on node {node}")))
}

/// The network that a node is, or was, a member of.
pub(super) fn network_of(kubectl: &Kubectl, node: &str, named: Option<&str>) -> Result<String, KubectlError> {
    let objects = Objects::read(kubectl)?;
    let network = objects.network(named)?.name.clone();
    if objects.member(&network, node).is_some() {
        return Ok(network);
    }
    let members = objects.members.iter().filter(|member| member.network == network);
    Err(KubectlError::NoMember { node: node.to_owned(), members: members.map(|member| member.node.clone()).collect() })
}
