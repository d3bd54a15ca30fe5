//! The leases of nodes, which only the nodes themselves know.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Deserialize;

use super::agents::Agents;
use super::error::KubectlError;

#[derive(Debug, Deserialize)]
struct Answer {
    leases: Vec<Lease>,
}

/// As `ginghamctl leases --json` has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lease {
    pub(super) network: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) pod: Option<LeasePod>,
    pub(super) state: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct LeasePod {
    #[serde(default)]
    pub(super) namespace: String,
    #[serde(default)]
    pub(super) name: String,
}

/// Of each node, or why they are not known.
pub(super) struct Leases {
    by_node: BTreeMap<String, Result<Vec<Lease>, KubectlError>>,
}

impl Leases {
    /// Asks the nodes, one after the other.
    pub(super) fn read(agents: &Agents<'_>, nodes: BTreeSet<&str>) -> Self {
        let ask = |node: &str| agents.json(node, &["leases", "--json"]).map(|answer: Answer| answer.leases);
        Self { by_node: nodes.into_iter().map(|node| (node.to_owned(), ask(node))).collect() }
    }

    /// The state of a pod's lease, in a word.
    pub(super) fn state(&self, node: &str, pod: (&str, &str), address: IpAddr) -> String {
        let Some(Ok(leases)) = self.by_node.get(node) else { return "unknown".to_owned() };
        match leases.iter().find(|lease| lease.addresses.contains(&address)) {
            None => "none".to_owned(),
            Some(lease) if lease.is_of(pod) => lease.state.clone(),
            Some(lease) => format!("of {}", lease.holder()),
        }
    }

    /// Leases of pods, with their nodes and addresses.
    pub(super) fn of_pods(&self) -> impl Iterator<Item = (&str, &Lease, &LeasePod, IpAddr)> {
        let known = self.by_node.iter().filter_map(|(node, leases)| Some((node.as_str(), leases.as_ref().ok()?)));
        let leases = known.flat_map(|(node, leases)| leases.iter().map(move |lease| (node, lease)));
        let of_pods = leases.filter_map(|(node, lease)| Some((node, lease, lease.pod.as_ref()?)));
        of_pods.flat_map(|(node, lease, pod)| lease.addresses.iter().map(move |address| (node, lease, pod, *address)))
    }

    /// Why the leases of some nodes are not known.
    pub(super) fn into_errors(self) -> impl Iterator<Item = KubectlError> {
        self.by_node.into_values().filter_map(Result::err)
    }
}

impl Lease {
    fn is_of(&self, (namespace, name): (&str, &str)) -> bool {
        self.pod.as_ref().is_some_and(|pod| pod.namespace == namespace && pod.name == name)
    }

    fn holder(&self) -> String {
        match &self.pod {
            Some(pod) => format!("{}/{}", pod.namespace, pod.name),
            None => "a container without a pod".to_owned(),
        }
    }
}
