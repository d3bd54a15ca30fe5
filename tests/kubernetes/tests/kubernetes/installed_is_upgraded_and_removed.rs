//! Another build replaces the installed one while pods come, the earlier one comes back, and all of it goes.

use std::fs;

use gingham_kubernetes_tests::cluster::{condition, items};
use gingham_kubernetes_tests::command::{Finished, until};
use gingham_kubernetes_tests::image::{GINGHAM, NEXT};
use gingham_kubernetes_tests::{Cluster, Node};

use crate::installed::{AGENTS, MANIFEST, apply, configured, has_configuration};
use crate::shared::with_installed_cluster;
use crate::workloads::{TIMEOUT, deployment, nodes_reach_each_other, remove, scale, scale_to};

const NODES: u8 = 3;

#[test]
fn another_build_is_installed_under_load_and_rolled_back_and_uninstalled() {
    with_installed_cluster(|cluster| {
        cluster.kubectl().apply(&deployment("web", 6).to_string());
        cluster.wait_running("app=web", 6, TIMEOUT);
        wait_rolled_out(cluster, GINGHAM);
        let (first, next) = (plugin(&cluster.nodes[0]), fs::read(cluster.import_next_gingham()).unwrap());
        assert!(first != next, "the other build's plugin has the same bytes");

        scale(cluster.kubectl(), "web", 30);
        let images = [format!("install={NEXT}"), format!("gingham-node={NEXT}")];
        daemon_set(cluster, &["set", "image", "daemonset/gingham-node", &images[0], &images[1]]);
        wait_rolled_out(cluster, NEXT);
        cluster.wait_running("app=web", 30, TIMEOUT);
        assert_eq!(cluster.agree().len(), 30);
        are_installed(cluster, &next, &first);

        scale(cluster.kubectl(), "web", 12);
        daemon_set(cluster, &["rollout", "undo", "daemonset/gingham-node"]);
        wait_rolled_out(cluster, GINGHAM);
        let running = scale_to(cluster, "web", 15);
        assert_eq!(cluster.agree().len(), 15);
        nodes_reach_each_other(cluster, &running);
        are_installed(cluster, &first, &next);
        uninstall(cluster);
        configuration_comes_last(cluster);
    });
}

/// As docs/kubernetes.md has it.
fn uninstall(cluster: &Cluster) {
    let [refused_by_agent, refused_by_pods] = ["gingham-node runs", "containers on this node hold addresses"];
    let uninstall = |node: &Node| node.ctl(&["node", "uninstall", "--yes"]);
    is_refused(&uninstall(&cluster.nodes[0]), refused_by_agent);
    // The node leaves while its agent can still reach the API.
    let leave = ["/ginghamctl", "cluster", "leave", "--yes"];
    is_refused(&cluster.exec_in_agent(&cluster.nodes[0], &leave), "cannot leave");
    cluster.kubectl().run(&["drain", "node-1", "--ignore-daemonsets", "--delete-emptydir-data"]).stdout();
    until("the leases of a drained node are freed", TIMEOUT, || {
        let left = cluster.exec_in_agent(&cluster.nodes[0], &leave);
        if left.is_success() { Ok(()) } else { Err(left.refusal()) }
    });
    daemon_set(cluster, &["delete", "daemonset", "gingham-node"]);
    cluster.wait_running(AGENTS, 0, TIMEOUT);
    is_refused(&uninstall(&cluster.nodes[1]), refused_by_pods);
    let kept = plugins(&cluster.nodes[1]);
    assert!(kept.contains(&"gingham".to_owned()), "{kept:?}");

    remove(cluster, &["web"]);
    for node in &cluster.nodes {
        until("the leases of pods that are gone are freed", TIMEOUT, || {
            let done = uninstall(node);
            if done.is_success() { Ok(()) } else { Err(done.refusal()) }
        });
        assert!(!plugins(node).iter().any(|name| name.starts_with("gingham")), "{:?}", plugins(node));
        assert!(!has_configuration(node), "{} has a configuration", node.name);
        is_refused(&node.run("/usr/bin/busybox", &["ip", "link", "show", "gingham0"]), "gingham0");
    }
    // The DaemonSet is gone already.
    cluster.kubectl().with_file(&["delete", "--ignore-not-found"], MANIFEST).stdout();
}

/// Agents that may not claim blocks have no addresses for pods.
fn configuration_comes_last(cluster: &Cluster) {
    let [may_claim, may_not] = ["get, list, watch, create, update, delete", "get, list, watch"]
        .map(|verbs| format!("[addressblocks]\n    verbs: [{verbs}]"));
    assert!(MANIFEST.contains(&may_claim));
    cluster.kubectl().with_file(&["apply", "--validate=false"], &MANIFEST.replace(&may_claim, &may_not)).stdout();
    until("all agents report that their node has no network", TIMEOUT, || {
        let nodes = items(cluster.kubectl().get(&["nodes"]));
        let conditions: Vec<_> = nodes.iter().map(|node| condition(node, "gingham.dev/NetworkConfigured")).collect();
        if conditions == [Some("False"); NODES as usize] { Ok(()) } else { Err(format!("{conditions:?}")) }
    });
    assert_eq!(configured(cluster), <[&str; 0]>::default(), "they have a network without addresses");

    apply(cluster);
    // What left remembers that it did.
    until("a node that had left joins", TIMEOUT, || {
        // Its runtime has no configuration yet.
        let join = ["/ginghamctl", "cluster", "join"];
        let joined = cluster.exec_in_agent(&cluster.nodes[0], &join);
        if joined.is_success() { Ok(()) } else { Err(joined.refusal()) }
    });
    cluster.kubectl().run(&["uncordon", "node-1"]).stdout();
    until("all nodes have a network", TIMEOUT, || {
        let configured = configured(cluster);
        if configured.len() == cluster.nodes.len() { Ok(()) } else { Err(format!("{configured:?} have")) }
    });
    cluster.kubectl().apply(&deployment("web", 6).to_string());
    cluster.wait_running("app=web", 6, TIMEOUT);
    assert_eq!(cluster.agree().len(), 6);
    remove(cluster, &["web"]);
}

fn daemon_set(cluster: &Cluster, command: &[&str]) {
    cluster.kubectl().run(&[&["--namespace=gingham-system"], command].concat()).stdout();
}

/// Each node has an agent of this image, and all are ready.
#[track_caller]
fn wait_rolled_out(cluster: &Cluster, image: &str) {
    until(&format!("all agents are of {image}"), TIMEOUT, || {
        let pods = cluster.wait_running(AGENTS, NODES.into(), TIMEOUT);
        let of_image = |pod: &&serde_json::Value| pod["spec"]["containers"][0]["image"] == image;
        match pods.iter().filter(of_image).count() {
            count if count == usize::from(NODES) => Ok(()),
            count => Err(format!("{count} are")),
        }
    });
}

#[track_caller]
fn is_refused(done: &Finished, why: &str) {
    let refusal = done.refusal();
    assert!(refusal.contains(why), "no {why:?} in {refusal}");
}

/// Each node has this plugin, and the earlier one beside it.
#[track_caller]
fn are_installed(cluster: &Cluster, wanted: &[u8], earlier: &[u8]) {
    for node in &cluster.nodes {
        assert!(plugin(node) == wanted, "{} has another plugin", node.name);
        assert!(previous(node) == earlier, "{} keeps another plugin than the earlier one", node.name);
    }
}

fn plugin(node: &Node) -> Vec<u8> {
    fs::read(node.disk().join("plugins/gingham")).unwrap()
}

fn previous(node: &Node) -> Vec<u8> {
    fs::read(node.disk().join("plugins/gingham.previous")).unwrap()
}

fn plugins(node: &Node) -> Vec<String> {
    let entries = fs::read_dir(node.disk().join("plugins")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
