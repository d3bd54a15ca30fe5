//! Gingham enforces no network policy, and leaves an engine alone that does so with the addresses of pods.

use gingham_kubernetes_tests::node::daemons::AGENT;
use gingham_kubernetes_tests::node::pods::server;
use gingham_kubernetes_tests::{Cluster, Node};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::pods_of_three_nodes::with_pods_on_three_nodes;
use crate::workloads::{Placed, Store, answers, nodes_reach_each_other, placed, scale_to};

#[test]
fn rules_of_an_engine_stay_and_a_network_policy_alone_changes_nothing() {
    with_pods_on_three_nodes(Store::Kubernetes, 6, |cluster| {
        let pods = scale_to(cluster, "web", 6);
        cluster.kubectl().apply(&deny_all().to_string());
        nodes_reach_each_other(cluster, &pods);

        let (client, target) = (on(&pods, "node-1"), on(&pods, "node-2"));
        rule(&cluster.nodes[1], &["-N", "ENGINE"]);
        rule(&cluster.nodes[1], &["-A", "ENGINE", "-d", &target.address, "-j", "DROP"]);
        rule(&cluster.nodes[1], &["-I", "FORWARD", "-j", "ENGINE"]);
        let before = rules_of_engine(&cluster.nodes[1]);
        assert!(asked(cluster, &client, &target).is_err(), "the engine drops it");

        scale_to(cluster, "web", 15);
        cluster.nodes[1].kill(AGENT, Signal::KILL);
        cluster.nodes[1].start(AGENT);
        scale_to(cluster, "web", 9);
        assert_eq!(rules_of_engine(&cluster.nodes[1]), before);
        // Those that were there at first may be gone.
        if let Ok(answer) = asked(cluster, &client, &target) {
            panic!("the engine drops it, and {answer} answered");
        }
        rule(&cluster.nodes[1], &["-D", "FORWARD", "-j", "ENGINE"]);
        rule(&cluster.nodes[1], &["-F", "ENGINE"]);
        rule(&cluster.nodes[1], &["-X", "ENGINE"]);
        let pods = scale_to(cluster, "web", 9);
        let (client, target) = (on(&pods, "node-1"), on(&pods, "node-2"));
        let answer = answers("node-1", server(&target.address, 80), || asked(cluster, &client, &target));
        assert_eq!(answer, target.name);
        cluster.kubectl().run(&["delete", "networkpolicy", "deny"]).stdout();
    });
}

fn deny_all() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    })
}

fn on(pods: &[Value], node: &str) -> Placed {
    placed(pods).into_iter().find(|pod| pod.node == node).unwrap_or_else(|| panic!("{node} has no pod"))
}

fn asked(cluster: &Cluster, client: &Placed, target: &Placed) -> Result<String, String> {
    cluster.nodes[0].ask_from_pod(&client.name, server(&target.address, 80))
}

fn rule(node: &Node, arguments: &[&str]) {
    node.run("iptables", &[&["-w"], arguments].concat()).stdout();
}

/// Its chain, and the first rule of the one that calls it.
fn rules_of_engine(node: &Node) -> [String; 2] {
    [["-S", "ENGINE"].as_slice(), &["-S", "FORWARD", "1"]]
        .map(|list| node.run("iptables", &[&["-w"], list].concat()).stdout())
}
