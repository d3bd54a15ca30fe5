//! The file that people apply gives a cluster its network.

use std::thread;
use std::time::{Duration, Instant};

use gingham_kubernetes_tests::Cluster;
use gingham_kubernetes_tests::agent_account::USER;
use gingham_kubernetes_tests::audit_log::Kind;
use gingham_kubernetes_tests::cluster::items;
use gingham_kubernetes_tests::command::until;
use serde_json::{Value, json};

use crate::installed::{AGENTS, apply, configured, first_address, wait_quiet};
use crate::shared::with_new_cluster;
use crate::workloads::{TIMEOUT, deployment, nodes_reach_each_other, remove, scale_to};

const NODES: u8 = 3;

/// What follows an installation, such as the first list of each watch, is over.
const SETTLE: Duration = Duration::from_secs(5);
const QUIET: Duration = Duration::from_mins(1);

#[test]
fn one_apply_gives_pods_addresses_and_they_come_without_agents() {
    with_new_cluster(|cluster| {
        let start = Instant::now();
        apply(cluster);
        cluster.kubectl().apply(&deployment("web", 1).to_string());
        first_address(cluster);
        println!("the first pod has its address {:.1} s after kubectl apply", start.elapsed().as_secs_f64());
        // The first pods go where a node is ready first: a spread wants all nodes.
        cluster.wait_ready(NODES.into());
        let running = scale_to(cluster, "web", 9);
        cluster.wait_running(AGENTS, NODES.into(), TIMEOUT);
        println!("9 pods and the agents run after {:.1} s", start.elapsed().as_secs_f64());
        assert_eq!(configured(cluster), ["node-1", "node-2", "node-3"]);
        nodes_reach_each_other(cluster, &running);
        assert_eq!(cluster.agree().len(), 9);
        agents_make_no_calls(cluster);

        cluster
            .kubectl()
            .run(&["--namespace=gingham-system", "delete", "pods", "--selector", AGENTS, "--wait=false"])
            .stdout();
        scale_to(cluster, "web", 18);
        cluster.wait_running(AGENTS, NODES.into(), TIMEOUT);
        assert_eq!(cluster.agree().len(), 18);

        cluster.kubectl().run(&["--namespace=gingham-system", "delete", "daemonset", "gingham-node"]).stdout();
        cluster.wait_running(AGENTS, 0, TIMEOUT);
        let running = scale_to(cluster, "web", 24);
        assert_eq!(cluster.agree().len(), 24);
        nodes_reach_each_other(cluster, &running);
        remove(cluster, &["web"]);
    });
}

/// A watch ends after some minutes, and each of the agents' begins another one then.
#[track_caller]
fn agents_make_no_calls(cluster: &Cluster) {
    until("the statuses show the blocks", TIMEOUT, || statuses_show_the_blocks(cluster));
    wait_quiet(cluster, USER, SETTLE);
    let log = cluster.control_plane.audit_log().from_now();
    thread::sleep(QUIET);
    let calls = log.requests(USER);
    println!("calls of {NODES} agents in a quiet minute: {calls:?}");
    let others: Vec<_> =
        calls.iter().filter(|(kind, count)| kind.verb != "watch" && !are_looks(kind, **count)).collect();
    assert!(others.is_empty(), "{calls:?}");
}

/// A status follows a change after ten seconds, and after a minute where only the number of a member's blocks is another. One
/// that shows everything is not written again.
fn statuses_show_the_blocks(cluster: &Cluster) -> Result<(), String> {
    let listed = |kind: &str| items(cluster.kubectl().get(&[kind]));
    let blocks = listed("addressblocks");
    let count = |node: &Value| blocks.iter().filter(|block| block["spec"]["owner"] == *node).count();
    let members = listed("networkmembers");
    let is_current = |member: &Value| member["status"]["blocks"] == count(&member["spec"]["node"]);
    let network = listed("addressnetworks").remove(0);
    let status = json!([network["status"]["claimed"], network["status"]["members"]]);
    if members.iter().all(is_current) && status == json!([blocks.len(), members.len()]) {
        return Ok(());
    }
    Err(format!("{status} in the network's status, {} blocks, and {members:?}", blocks.len()))
}

/// In two minutes each agent looks once whether the Node object of another member was deleted.
fn are_looks(kind: &Kind, count: usize) -> bool {
    kind.verb == "get" && kind.resource == "nodes" && count <= usize::from(NODES)
}
