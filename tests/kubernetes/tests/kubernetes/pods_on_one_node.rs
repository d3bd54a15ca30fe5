//! Pods come and go on one node, and daemons are killed meanwhile.

use gingham_kubernetes_tests::command::until;
use gingham_kubernetes_tests::node::daemons::{CONTAINERD, KUBELET};
use rustix::process::Signal;

use crate::shared::with_cluster;
use crate::workloads::{TIMEOUT, bridge_with_host_local, deployment, on_first_node, remove, scale, scale_to};

#[test]
fn containerd_and_kubelet_are_killed_while_pods_come_and_go() {
    with_cluster(|cluster| {
        cluster.configure_each(|node| bridge_with_host_local("gingham", node));
        cluster.kubectl().apply(&on_first_node(deployment("web", 5)).to_string());
        cluster.wait_running("app=web", 5, TIMEOUT);
        assert_eq!(cluster.agree().len(), 5);

        scale(cluster.kubectl(), "web", 20);
        cluster.nodes[0].kill(CONTAINERD, Signal::KILL);
        cluster.nodes[0].start(CONTAINERD);
        cluster.wait_running("app=web", 20, TIMEOUT);
        assert_eq!(cluster.agree().len(), 20);

        cluster.nodes[0].kill(KUBELET, Signal::KILL);
        scale(cluster.kubectl(), "web", 3);
        cluster.nodes[0].start(KUBELET);
        scale_to(cluster, "web", 3);
        assert_eq!(cluster.agree().len(), 3);
        remove(cluster, &["web"]);
    });
}

#[test]
fn pods_come_again_after_a_power_cut_with_other_addresses() {
    with_cluster(|cluster| {
        cluster.configure_each(|node| bridge_with_host_local("gingham", node));
        cluster.kubectl().apply(&on_first_node(deployment("web", 5)).to_string());
        cluster.wait_running("app=web", 5, TIMEOUT);
        let before = cluster.agree();
        cluster.nodes[0].power_cut();
        cluster.nodes[0].boot();
        // At first both have what was true before.
        until("pods have other addresses", TIMEOUT, || {
            let after = cluster.agree();
            if after.len() == 5 && after.is_disjoint(&before) { Ok(()) } else { Err(format!("{after:?}")) }
        });
        cluster.wait_ready(cluster.nodes.len());
        remove(cluster, &["web"]);
    });
}
