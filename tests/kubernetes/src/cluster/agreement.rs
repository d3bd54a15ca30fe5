//! Whether Kubernetes and Gingham agree on who has which address.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::{Cluster, is_running, items};
use crate::command::until;
use crate::node::Node;

/// What the kubelet still takes away when the API has forgotten it.
const SETTLE_TIMEOUT: Duration = Duration::from_mins(5);

/// `NAMESPACE/POD ADDRESS`.
pub type Addresses = BTreeSet<String>;

impl Cluster {
    /// Waits until, on each node that is up, the leases are those of the pods that the API server names, and asserts that
    /// no address is there twice. Returns them.
    #[track_caller]
    pub fn agree(&self) -> Addresses {
        until("API server and leases agree", SETTLE_TIMEOUT, || {
            let pods = items(self.kubectl().get(&["pods", "--all-namespaces"]));
            let mut all = Addresses::new();
            for node in self.nodes.iter().filter(|node| node.is_up()) {
                let (wanted, leased) = (of_api(&pods, node), leases(node));
                if wanted != leased {
                    let only =
                        |one: &Addresses, other: &Addresses| format!("{:?}", one.difference(other).collect::<Vec<_>>());
                    let [api, leases] = [only(&wanted, &leased), only(&leased, &wanted)];
                    let orphans = if wanted.is_subset(&leased) { sandboxes(node) } else { String::new() };
                    return Err(format!(
                        "{}: only the API has {api}, only the leases have {leases}{orphans}",
                        node.name
                    ));
                }
                all.extend(leased);
            }
            assert_unique(&all);
            Ok(all)
        })
    }
}

/// Pods that are not there yet, or are on their way out, are waited for: they are in the set without an address.
fn of_api(pods: &[Value], node: &Node) -> Addresses {
    let own = pods.iter().filter(|pod| pod["spec"]["nodeName"] == node.name.as_str());
    let own = own.filter(|pod| pod["spec"]["hostNetwork"] != true && !is_finished(pod));
    own.map(|pod| {
        let address = if is_running(pod) { pod["status"]["podIP"].as_str() } else { None };
        format!("{} {}", name(&pod["metadata"]), address.unwrap_or("is not ready"))
    })
    .collect()
}

/// What has ended has no network any more.
fn is_finished(pod: &Value) -> bool {
    ["Succeeded", "Failed"].iter().any(|phase| pod["status"]["phase"] == **phase)
}

fn leases(node: &Node) -> Addresses {
    let report = node.ctl(&["leases", "--json"]).json();
    let leases = report["leases"].as_array().expect("a list of leases").iter();
    // The node's own address is leased to no pod.
    leases.filter(|lease| lease["pod"].is_object()).flat_map(lines_of).collect()
}

/// What containerd and the node have of the leases' sandboxes.
fn sandboxes(node: &Node) -> String {
    let known = node.run("ctr", &["--namespace=k8s.io", "containers", "list", "--quiet"]).stdout();
    let report = node.ctl(&["leases", "--json"]).json();
    let line = |lease: &Value| {
        let [id, netns] = ["containerId", "netns"].map(|key| lease[key].as_str().unwrap_or("?"));
        let has_network = node.run("/usr/bin/busybox", &["test", "-e", netns]).is_success();
        format!(
            "\n{}: known to containerd: {}; {netns} is there: {has_network}; {lease}",
            name(&lease["pod"]),
            known.contains(id)
        )
    };
    report["leases"].as_array().unwrap().iter().filter(|lease| lease["pod"].is_object()).map(line).collect()
}

fn lines_of(lease: &Value) -> Vec<String> {
    let addresses = lease["addresses"].as_array().expect("a lease has addresses").iter();
    addresses.map(|address| format!("{} {}", name(&lease["pod"]), address.as_str().unwrap_or("?"))).collect()
}

fn name(of: &Value) -> String {
    format!("{}/{}", of["namespace"].as_str().unwrap_or("?"), of["name"].as_str().unwrap_or("?"))
}

fn assert_unique(addresses: &Addresses) {
    let mut holders: BTreeMap<&str, &str> = BTreeMap::new();
    for line in addresses {
        let (pod, address) = line.split_once(' ').expect("a pod and its address");
        if let Some(other) = holders.insert(address, pod) {
            panic!("{address} is held by {other} and by {pod}");
        }
    }
}
