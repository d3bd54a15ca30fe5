//! The agents of nodes, and what `ginghamctl` in their containers knows: the node's leases and its policies.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::Kubectl;
use super::error::{KubectlError, one_line};
use super::objects::{conditions, text};

/// As in deploy/kubernetes/base/daemonset.yaml.
const NAMESPACE: &str = "gingham-system";
/// As in deploy/kubernetes/base/rbac.yaml. Its subject is the agents' account, in whatever namespace that is.
const BINDING: &str = "gingham-node";
pub(super) const AGENTS: &str = "app.kubernetes.io/name=gingham-node";
const CONTAINER: &str = "gingham-node";
const PROGRAM: &str = "/ginghamctl";

/// The agents that are ready.
pub(super) struct Agents<'k> {
    kubectl: &'k Kubectl,
    namespace: String,
    agents: Vec<Agent>,
}

struct Agent {
    pod: String,
    node: String,
}

impl<'k> Agents<'k> {
    pub(super) fn list(kubectl: &'k Kubectl) -> Result<Self, KubectlError> {
        let namespace = namespace(kubectl);
        let pods = kubectl.list(&["pods", "--namespace", &namespace, "--selector", AGENTS])?;
        let is_ready = |pod: &&Value| {
            conditions(pod).any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        };
        let agent = |pod: &Value| Agent { pod: text(pod, "/metadata/name"), node: text(pod, "/spec/nodeName") };
        Ok(Self { kubectl, namespace, agents: pods.iter().filter(is_ready).map(agent).collect() })
    }

    pub(super) fn is_ready_on(&self, node: &str) -> bool {
        self.agents.iter().any(|agent| agent.node == node)
    }

    /// A node other than this one with an agent.
    pub(super) fn elsewhere(&self, node: &str) -> Result<&str, KubectlError> {
        let place = || self.missing(format!(" on a node other than {node}"));
        self.agents.iter().map(|agent| agent.node.as_str()).find(|other| *other != node).ok_or_else(place)
    }

    pub(super) fn missing(&self, place: String) -> KubectlError {
        KubectlError::NoAgent { place, namespace: self.namespace.clone(), selector: AGENTS }
    }

    /// Runs `ginghamctl` on a node. Returns what it prints.
    pub(super) fn run(&self, node: &str, arguments: &[&str]) -> Result<String, KubectlError> {
        let no_agent = || self.missing(format!(" on node {node}"));
        let agent = self.agents.iter().find(|agent| agent.node == node).ok_or_else(no_agent)?;
        let exec = ["exec", "--namespace", &self.namespace, &agent.pod, "--container", CONTAINER, "--", PROGRAM];
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

/// The namespace of the agents. No label decides: every user can give a pod one, and commands run in the agents' containers.
fn namespace(kubectl: &Kubectl) -> String {
    let binding = kubectl.get::<Value>(&["clusterrolebinding", BINDING]);
    // Not every user may read it.
    let found = binding.map(|binding| text(&binding, "/subjects/0/namespace")).unwrap_or_default();
    if found.is_empty() { NAMESPACE.to_owned() } else { found }
}
