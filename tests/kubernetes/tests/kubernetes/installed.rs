//! The file that people apply, in a cluster.

use std::fs;
use std::time::Duration;

use gingham_kubernetes_tests::command::until;
use gingham_kubernetes_tests::{Cluster, Node};

use crate::workloads::TIMEOUT;

pub(crate) const MANIFEST: &str = include_str!("../../../../deploy/kubernetes/gingham.yaml");
pub(crate) const AGENTS: &str = "app.kubernetes.io/name=gingham-node";

/// `kubectl apply` of the file.
pub(crate) fn apply(cluster: &Cluster) {
    // kubectl 1.20 knows fewer fields of a CustomResourceDefinition than the API server takes.
    cluster.kubectl().with_file(&["apply", "--validate=false"], MANIFEST).stdout();
}

/// Whether a node has a network for pods.
pub(crate) fn has_configuration(node: &Node) -> bool {
    let entries = fs::read_dir(node.disk().join("net.d")).unwrap();
    entries.into_iter().any(|entry| entry.unwrap().path().extension().is_some_and(|extension| extension == "conflist"))
}

/// The nodes that have one.
pub(crate) fn configured(cluster: &Cluster) -> Vec<&str> {
    cluster.nodes.iter().filter(|node| has_configuration(node)).map(|node| &*node.name).collect()
}

/// Waits until a pod has an address.
#[track_caller]
pub(crate) fn first_address(cluster: &Cluster) {
    until("a pod has an address", TIMEOUT, || {
        let addresses = cluster.kubectl().run(&["get", "pods", "--output=jsonpath={.items[*].status.podIP}"]).stdout();
        if addresses.is_empty() { Err(agents(cluster)) } else { Ok(()) }
    });
}

/// What is printed if it takes too long.
fn agents(cluster: &Cluster) -> String {
    cluster.kubectl().get(&["pods", "--namespace=gingham-system"])["items"][0]["status"].to_string()
}

/// Waits until the agents have made no call for so long, except watches that begin again. Their first lists are over then.
#[track_caller]
pub(crate) fn wait_quiet(cluster: &Cluster, user: &str, quiet: Duration) {
    until("the agents make no calls", TIMEOUT, || {
        let log = cluster.control_plane.audit_log().from_now();
        std::thread::sleep(quiet);
        let calls = log.requests(user);
        if calls.keys().all(|kind| kind.verb == "watch") { Ok(()) } else { Err(format!("{calls:?}")) }
    });
}
