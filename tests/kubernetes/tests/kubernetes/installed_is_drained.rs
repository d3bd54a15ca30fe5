//! `kubectl gingham` where kubelets run: what it does in an agent's container happens there.

use gingham_kubernetes_tests::Cluster;
use gingham_kubernetes_tests::cluster::items;
use gingham_kubernetes_tests::command::until;
use serde_json::Value;

use crate::shared::with_installed_cluster;
use crate::workloads::{TIMEOUT, deployment, nodes_reach_each_other, placed, remove};

const NODE: &str = "node-3";

#[test]
fn a_drained_node_gives_its_pods_and_blocks_away_and_comes_back() {
    with_installed_cluster(|cluster| {
        cluster.wait_ready(cluster.nodes.len());
        cluster.kubectl().apply(&deployment("web", 9).to_string());
        let pods = cluster.wait_running("app=web", 9, TIMEOUT);
        let leased = cluster.agree();
        assert_eq!(leased_pods(cluster), 9);
        are_explained(cluster, &pods);
        assert_ne!(blocks_held(cluster), 0);

        cluster.gingham(&["drain", NODE]).stdout();
        assert_eq!((&*membership(cluster), blocks_held(cluster)), ("left", 0));
        let pods = cluster.wait_running("app=web", 9, TIMEOUT);
        assert!(placed(&pods).iter().all(|pod| pod.node != NODE), "{pods:?}");
        let others = cluster.agree();
        assert!(others.len() == 9 && others.intersection(&leased).count() >= 6, "{leased:?} {others:?}");

        cluster.gingham(&["undrain", NODE]).stdout();
        assert_eq!(membership(cluster), "member");
        cluster.kubectl().run(&["delete", "pods", "--selector=app=web", "--wait=false"]).stdout();
        let pods = cluster.wait_running("app=web", 9, TIMEOUT);
        nodes_reach_each_other(cluster, &pods);
        assert_eq!(cluster.agree().len(), 9);
        assert_ne!(blocks_held(cluster), 0);
        remove(cluster, &["web"]);
    });
}

/// Those that the node holds. The object of a block may outlive the membership that claimed it, and is free then.
fn blocks_held(cluster: &Cluster) -> usize {
    let blocks = items(cluster.kubectl().get(&["addressblocks"]));
    let fenced = member(cluster)["spec"]["fenced"].as_u64().unwrap_or_default();
    let holds = |block: &&Value| block["spec"]["owner"] == NODE && block["spec"]["incarnation"].as_u64() > Some(fenced);
    blocks.iter().filter(holds).count()
}

fn membership(cluster: &Cluster) -> String {
    member(cluster)["spec"]["membership"].as_str().unwrap().to_owned()
}

fn member(cluster: &Cluster) -> Value {
    cluster.kubectl().get(&["networkmembers", &format!("pods.{NODE}")])
}

/// Pods whose address the node's own records have, as `ips --leases` shows them.
fn leased_pods(cluster: &Cluster) -> usize {
    let rows = cluster.gingham(&["ips", "--leases", "--output=json"]).json();
    rows.as_array().unwrap().iter().filter(|row| row["lease"] == "in-use").count()
}

/// Each by the node that it is on.
#[track_caller]
fn are_explained(cluster: &Cluster, pods: &[Value]) {
    for pod in placed(pods) {
        until("the records explain a pod's address", TIMEOUT, || {
            let explained = cluster.gingham(&["explain", &pod.name]).stdout();
            if explained.contains(&pod.address) { Ok(()) } else { Err(explained) }
        });
    }
}
