//! A deleted Node object, or the taint `out-of-service`, is an order to take the member over. It is not carried out while the node
//! shows life, nor when it was taken back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use gingham_kubernetes_tests::command::until;
use gingham_kubernetes_tests::programs;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::kubernetes_is_the_store::{Cluster, until_ready};
use crate::testbed::Agent;

/// Longer than a look at each member (40 s here) and the time for which a node is watched (25 s) together.
const PATIENCE: Duration = Duration::from_mins(3);

const TAINT: &str = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute";

#[track_caller]
fn until_logged(agent: &Agent, words: &str) {
    until(words, PATIENCE, || if agent.log().contains(words) { Ok(()) } else { Err(agent.log()) });
}

/// As a kubelet does: a Lease with another time each second.
fn renew(cluster: &Cluster, node: &str, is_over: &AtomicBool) {
    let kubectl = cluster.plane.kubectl();
    let lease = |second: u32| -> Value {
        let spec = json!({"holderIdentity": node, "renewTime": format!("2026-11-29T10:{:02}:{:02}.000000Z", second / 60, second % 60)});
        let metadata = json!({"name": node, "namespace": "kube-node-lease"});
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})
    };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-node-lease"}});
    kubectl.apply(&namespace.to_string());
    for second in 0.. {
        kubectl.apply(&lease(second).to_string());
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// Also where the test fails.
struct Ending<'f>(&'f AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn an_order_is_not_carried_out_when_it_was_taken_back_or_the_node_lives() {
    if !programs::has_control_plane() {
        return;
    }
    let cluster = Cluster::new();
    let kubectl = cluster.plane.kubectl();
    let mut agents = [1, 2].map(|node| cluster.agent(node, &["--grace-period", "10"]));
    agents.iter_mut().for_each(until_ready);
    let [first, second] = agents;
    second.end(Signal::KILL);
    kubectl.run(&["taint", "node", "node-2", TAINT]).stdout();
    until_logged(&first, "the Node object of node-2 has the taint out-of-service");
    kubectl.run(&["taint", "node", "node-2", &format!("{TAINT}-")]).stdout();
    until_logged(&first, "node-2 is not taken over: its Node object is there again, or without the taint");
    assert_eq!(cluster.member("node-2")["membership"], "member");

    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _ending = Ending(&is_over);
        scope.spawn(|| renew(&cluster, "node-2", &is_over));
        until("the node shows life", PATIENCE, || {
            let lease = kubectl.run(&["get", "lease", "node-2", "--namespace=kube-node-lease"]);
            if lease.is_success() { Ok(()) } else { Err(lease.refusal()) }
        });
        kubectl.run(&["taint", "node", "node-2", TAINT]).stdout();
        until_logged(&first, "cannot take over node-2: it is alive");
        assert_eq!(cluster.member("node-2")["membership"], "member");
    });
    cluster.until_taken("node-2", &first);
}
