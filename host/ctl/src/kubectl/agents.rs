//! The agents of nodes, and what `ginghamctl` in their containers knows: the node's leases and its policies.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::Kubectl;
use super::error::{KubectlError, one_line};
use super::objects::{conditions, text};

/// As in deploy/kubernetes/base/daemonset.yaml.
pub(super) const NAMESPACE: &str = "gingham-system";
pub(super) const AGENTS: &str = "app.kubernetes.io/name=gingham-node";
const CONTAINER: &str = "gingham-node";
const PROGRAM: &str = "/ginghamctl";

/// The agents that are ready.
pub(super) struct Agents<'k> {
    kubectl: &'k Kubectl,
    agents: Vec<Agent>,
}

struct Agent {
    pod: String,
    node: String,
}

impl<'k> Agents<'k> {
    pub(super) fn list(kubectl: &'k Kubectl) -> Result<Self, KubectlError> {
        let pods = kubectl.list(&["pods", "--namespace", NAMESPACE, "--selector", AGENTS])?;
        let is_ready = |pod: &&Value| {
            conditions(pod).any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        };
        let agent = |pod: &Value| Agent { pod: text(pod, "/metadata/name"), node: text(pod, "/spec/nodeName") };
        Ok(Self { kubectl, agents: pods.iter().filter(is_ready).map(agent).collect() })
    }

    pub(super) fn is_ready_on(&self, node: &str) -> bool {
        self.agents.iter().any(|agent| agent.node == node)
    }

    /// A node other than this one with an agent.
    pub(super) fn elsewhere(&self, node: &str) -> Result<&str, KubectlError> {
        let place = || KubectlError::NoAgent { place: format!(" on a node other than {node}") };
        self.agents.iter().map(|agent| agent.node.as_str()).find(|other| *other != node).ok_or_else(place)
    }

    /// Runs `ginghamctl` on a node. Returns what it prints.
    pub(super) fn run(&self, node: &str, arguments: &[&str]) -> Result<String, KubectlError> {
        let no_agent = || KubectlError::NoAgent { place: format!(" on node {node}") };
        let agent = self.agents.iter().find(|agent| agent.node == node).ok_or_else(no_agent)?;
        let exec = ["exec", "--namespace", NAMESPACE, &agent.pod, "--container", CONTAINER, "--", PROGRAM];
        let output = self.kubectl.command(&[&exec, arguments].concat()).output().map_err(KubectlError::NoKubectl)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(KubectlError::OnNode {
            node: node.to_owned(),
            arguments: arguments.join(" "),
            reason: one_line(&output.stderr),
        })
    }

    /// The same of a command that prints JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, node: &str, arguments: &[&str]) -> Result<T, KubectlError> {
        let answer = self.run(node, arguments)?;
        serde_json::from_str(&answer).map_err(|source| KubectlError::NodeAnswer {
            node: node.to_owned(),
            arguments: arguments.join(" "),
            source,
        })
    }
}
