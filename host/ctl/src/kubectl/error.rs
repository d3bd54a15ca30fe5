//! Why a command of `kubectl gingham` failed.

use std::io;

use gingham_kubernetes::GROUP;

use crate::confirmation::ConfirmationError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum KubectlError {
    #[error("cannot run kubectl: {0}; install it, or add its directory to PATH")]
    NoKubectl(io::Error),
    #[error("kubectl {arguments} failed: {reason}")]
    Failed { arguments: String, reason: String },
    #[error(
        "the API server does not know the kinds of {GROUP}, or does not answer in time ({reason}); apply gingham.yaml, or \
         choose another cluster with --context"
    )]
    NoKinds { reason: String },
    #[error("cannot read the answer of kubectl {arguments}: {source}; use kubectl 1.20 or later")]
    Answer { arguments: String, source: serde_json::Error },
    #[error(
        "no agent is ready{place}: kubectl --namespace {namespace} get pods --selector {selector} --output wide shows them"
    )]
    NoAgent { place: String, namespace: String, selector: &'static str },
    #[error("ginghamctl {arguments} on node {node} failed: {reason}")]
    OnNode { node: String, arguments: String, reason: String },
    #[error("cannot read what ginghamctl {arguments} on node {node} answers: {source}; use the same version of both")]
    NodeAnswer { node: String, arguments: String, source: serde_json::Error },
    #[error("pod {namespace}/{pod} {reason}")]
    Pod { namespace: String, pod: String, reason: &'static str },
    #[error("node {node} is no member of a network; members are {}", listed(members))]
    NoMember { node: String, members: Vec<String> },
    #[error("no AddressNetwork exists: apply gingham.yaml; its agents create the network")]
    NoNetwork,
    #[error("--network is required: networks are {}", names.join(", "))]
    Several { names: Vec<String> },
    #[error("no network is called {name}; networks are {}", listed(names))]
    UnknownNetwork { name: String, names: Vec<String> },
    #[error(transparent)]
    Confirmation(#[from] ConfirmationError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What kubectl 1.20 and later print of a kind that the API server does not serve.
const UNKNOWN_KIND: [&str; 2] = ["doesn't have a resource type", "could not find the requested resource"];

impl KubectlError {
    pub(super) fn failed(arguments: &[&str], stderr: &[u8]) -> Self {
        let reason = one_line(stderr);
        let is_about_kinds = arguments.iter().any(|argument| argument.contains(GROUP));
        if is_about_kinds && UNKNOWN_KIND.iter().any(|text| reason.contains(text)) {
            return Self::NoKinds { reason };
        }
        Self::Failed { arguments: arguments.join(" "), reason }
    }
}

/// Lines of another program's standard error as one, without what this program says itself.
pub(super) fn one_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = text.lines().map(|line| line.trim().trim_start_matches("error: ").trim_start_matches("ginghamctl: "));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with("command terminated")).collect();
    if lines.is_empty() { "it gives no reason".to_owned() } else { lines.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_kinds_are_told_from_other_failures() {
        let of = |arguments: &[&str], text: &str| KubectlError::failed(arguments, text.as_bytes()).to_string();
        let kinds = ["get", "addressblocks.gingham.dev"];
        let none = of(&kinds, "error: the server doesn't have a resource type \"addressblocks\"\n");
        assert!(
            none.starts_with("the API server does not know the kinds of gingham.dev, or does not answer"),
            "{none}"
        );
        let pods = of(&["get", "pods"], "error: the server doesn't have a resource type \"pods\"\n");
        assert!(pods.starts_with("kubectl get pods failed: the server doesn't"), "{pods}");
        assert_eq!(of(&["get"], ""), "kubectl get failed: it gives no reason");
    }

    #[test]
    fn what_kubectl_adds_to_a_failed_program_is_left_out() {
        let text = "ginghamctl: network pods: no member\ncommand terminated with exit code 1\n";
        assert_eq!(one_line(text.as_bytes()), "network pods: no member");
    }
}
