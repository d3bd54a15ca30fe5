//! Nodes that are cut off, lose their power or their disk, and come back.

use gingham_kubernetes_tests::Cluster;
use gingham_kubernetes_tests::command::until;
use gingham_kubernetes_tests::node::daemons::AGENT;

use crate::pods_of_three_nodes::with_pods_on_three_nodes;
use crate::workloads::{TIMEOUT, nodes_reach_each_other};

/// `ginghamctl cluster takeover`, on another node, of a node that shows no life.
#[track_caller]
fn take_over(cluster: &Cluster, node: &str) {
    until("a takeover finds no life", TIMEOUT, || {
        let done = cluster.nodes[0].ctl(&["cluster", "takeover", node, "--yes"]);
        if done.is_success() { Ok(()) } else { Err(done.refusal()) }
    });
}

/// As an operator does who knows that they do not run any more.
fn forget_pods_of(cluster: &Cluster, node: &str) {
    let selector = format!("--field-selector=spec.nodeName={node}");
    cluster.kubectl().run(&["delete", "pods", "--force", "--grace-period=0", "--wait=false", &selector]).stdout();
}

fn cordon(cluster: &Cluster, node: &str, verb: &str) {
    cluster.kubectl().run(&[verb, node]).stdout();
}

/// Pods on all nodes again: the scheduler leaves those that run where they are.
#[track_caller]
fn spread_again(cluster: &Cluster) {
    cluster.wait_ready(3);
    cluster.kubectl().run(&["delete", "pods", "--selector=app=web", "--wait=false"]).stdout();
    let running = cluster.wait_running("app=web", 9, TIMEOUT);
    assert_eq!(cluster.agree().len(), 9);
    nodes_reach_each_other(cluster, &running);
}

#[test]
fn a_node_that_lost_its_power_keeps_its_blocks() {
    with_pods_on_three_nodes(9, |cluster| {
        cluster.nodes[2].power_cut();
        cluster.nodes[2].boot();
        spread_again(cluster);
    });
}

#[test]
fn a_node_that_was_cut_off_and_taken_over_joins_again() {
    with_pods_on_three_nodes(9, |cluster| {
        cordon(cluster, "node-3", "cordon");
        cluster.nodes[2].set_connected(false);
        forget_pods_of(cluster, "node-3");
        cluster.wait_running("app=web", 9, TIMEOUT);
        take_over(cluster, "node-3");
        cluster.nodes[2].set_connected(true);
        cordon(cluster, "node-3", "uncordon");
        spread_again(cluster);
    });
}

#[test]
fn another_machine_takes_the_name_of_a_deleted_node() {
    with_pods_on_three_nodes(9, |cluster| {
        cluster.nodes[2].power_cut();
        cluster.kubectl().run(&["delete", "node", "node-3"]).stdout();
        forget_pods_of(cluster, "node-3");
        cluster.wait_running("app=web", 9, TIMEOUT);
        take_over(cluster, "node-3");
        cluster.nodes[2].replace_disk();
        let list = crate::workloads::weave_split(cluster);
        cluster.nodes[2].configure(&list);
        cluster.nodes[2].boot();
        assert!(cluster.nodes[2].runs(AGENT));
        spread_again(cluster);
    });
}
