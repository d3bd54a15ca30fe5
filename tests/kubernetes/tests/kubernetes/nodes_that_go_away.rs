//! Nodes that are cut off, lose their power or their disk, and come back.

use gingham_kubernetes_tests::Cluster;
use gingham_kubernetes_tests::command::until;
use gingham_kubernetes_tests::node::daemons::AGENT;

use crate::pods_of_three_nodes::with_pods_on_three_nodes;
use crate::workloads::{KUBERNETES_NETWORK, Store, TIMEOUT, nodes_reach_each_other};

/// Ends the membership of a node that shows no life, as an operator does with either store.
#[track_caller]
fn take_over(cluster: &Cluster, store: Store, node: &str) {
    match store {
        Store::Etcd => take_over_by_command(cluster, node),
        Store::Kubernetes => take_over_by_object(cluster, node),
    }
}

/// The taint is the order, as the deletion of the Node object is. The agents of the other nodes follow it.
#[track_caller]
fn take_over_by_object(cluster: &Cluster, node: &str) {
    if cluster.kubectl().run(&["get", "node", node]).is_success() {
        cluster.kubectl().run(&["taint", "node", node, &format!("{OUT_OF_SERVICE}=nodeshutdown:NoExecute")]).stdout();
    }
    let member = format!("{KUBERNETES_NETWORK}.{node}");
    until("the agents take over a node that departed", TIMEOUT, || {
        let member = cluster.kubectl().get(&["networkmembers", &member]);
        if member["spec"]["membership"] == "taken" { Ok(()) } else { Err(member["spec"].to_string()) }
    });
    if cluster.kubectl().run(&["get", "node", node]).is_success() {
        cluster.kubectl().run(&["taint", "node", node, &format!("{OUT_OF_SERVICE}-")]).stdout();
    }
}

const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

#[track_caller]
fn take_over_by_command(cluster: &Cluster, node: &str) {
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

/// Until its agent has seen that it was taken over, a node gives addresses of its earlier blocks: it stays cordoned.
#[track_caller]
fn wait_joined_again(cluster: &Cluster, store: Store) {
    if store == Store::Kubernetes {
        until("node-3 is a member again", TIMEOUT, || {
            let member = cluster.kubectl().get(&["networkmembers", &format!("{KUBERNETES_NETWORK}.node-3")]);
            if member["spec"]["membership"] == "member" { Ok(()) } else { Err(member["spec"].to_string()) }
        });
    }
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
#[ignore = "as with the store kubernetes, with etcd: .ci/kubernetes-clusters"]
fn a_node_that_lost_its_power_keeps_its_blocks() {
    power_cut(Store::Etcd);
}

#[test]
fn a_node_that_lost_its_power_keeps_its_blocks_with_the_store_kubernetes() {
    power_cut(Store::Kubernetes);
}

fn power_cut(store: Store) {
    with_pods_on_three_nodes(store, 9, |cluster| {
        cluster.nodes[2].power_cut();
        cluster.nodes[2].boot();
        spread_again(cluster);
    });
}

#[test]
#[ignore = "as with the store kubernetes, with etcd: .ci/kubernetes-clusters"]
fn a_node_that_was_cut_off_and_taken_over_joins_again() {
    cut_off(Store::Etcd);
}

#[test]
fn a_node_that_was_cut_off_and_taken_over_joins_again_with_the_store_kubernetes() {
    cut_off(Store::Kubernetes);
}

fn cut_off(store: Store) {
    with_pods_on_three_nodes(store, 9, |cluster| {
        cordon(cluster, "node-3", "cordon");
        cluster.nodes[2].set_connected(false);
        forget_pods_of(cluster, "node-3");
        cluster.wait_running("app=web", 9, TIMEOUT);
        take_over(cluster, store, "node-3");
        cluster.nodes[2].set_connected(true);
        wait_joined_again(cluster, store);
        cordon(cluster, "node-3", "uncordon");
        spread_again(cluster);
    });
}

#[test]
#[ignore = "as with the store kubernetes, with etcd: .ci/kubernetes-clusters"]
fn another_machine_takes_the_name_of_a_deleted_node() {
    deleted(Store::Etcd);
}

#[test]
fn another_machine_takes_the_name_of_a_deleted_node_with_the_store_kubernetes() {
    deleted(Store::Kubernetes);
}

fn deleted(store: Store) {
    with_pods_on_three_nodes(store, 9, |cluster| {
        cluster.nodes[2].power_cut();
        cluster.kubectl().run(&["delete", "node", "node-3"]).stdout();
        forget_pods_of(cluster, "node-3");
        cluster.wait_running("app=web", 9, TIMEOUT);
        take_over(cluster, store, "node-3");
        cluster.nodes[2].replace_disk();
        let list = crate::workloads::weave_split(cluster, store);
        cluster.nodes[2].configure(&list);
        cluster.nodes[2].boot();
        assert!(cluster.nodes[2].runs(AGENT));
        spread_again(cluster);
    });
}
