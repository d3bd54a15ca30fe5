//! Three nodes share one range; pods come and go by the hundred while daemons die.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use gingham_kubernetes_tests::Cluster;
use gingham_kubernetes_tests::agent_account::USER;
use gingham_kubernetes_tests::command::until;
use gingham_kubernetes_tests::node::daemons::{AGENT, CONTAINERD, KUBELET};
use rustix::process::Signal;

use crate::shared::with_cluster;
use crate::workloads::{Store, TIMEOUT, deployment, nodes_reach_each_other, remove, scale, scale_to, weave_split};

/// Three nodes with their agents, and pods of the deployment `web` on all of them.
pub(crate) fn with_pods_on_three_nodes(store: Store, pods: usize, test: impl FnOnce(&mut Cluster)) {
    with_cluster(|cluster| {
        cluster.configure(&weave_split(cluster, store));
        for node in &mut cluster.nodes {
            if !node.runs(AGENT) {
                node.start(AGENT);
            }
        }
        cluster.kubectl().apply(&deployment("web", pods).to_string());
        let running = cluster.wait_running("app=web", pods, TIMEOUT);
        nodes_reach_each_other(cluster, &running);
        cluster.agree();
        test(cluster);
        remove(cluster, &["web"]);
        assert!(cluster.agree().is_empty());
    });
}

#[test]
#[ignore = "as with the store kubernetes, with etcd: .ci/kubernetes-clusters"]
fn a_hundred_and_fifty_pods_come_and_go_while_daemons_are_killed() {
    hundreds_come_and_go(Store::Etcd);
}

#[test]
fn a_hundred_and_fifty_pods_come_and_go_while_daemons_are_killed_with_the_store_kubernetes() {
    hundreds_come_and_go(Store::Kubernetes);
}

fn hundreds_come_and_go(store: Store) {
    with_pods_on_three_nodes(store, 12, |cluster| {
        scale(cluster.kubectl(), "web", 150);
        for (node, daemon) in [(0, CONTAINERD), (1, KUBELET), (2, AGENT)] {
            cluster.nodes[node].kill(daemon, Signal::KILL);
            cluster.nodes[node].start(daemon);
        }
        cluster.wait_running("app=web", 150, TIMEOUT * 2);
        assert_eq!(cluster.agree().len(), 150);
        scale(cluster.kubectl(), "web", 12);
        for (node, daemon) in [(1, CONTAINERD), (2, KUBELET), (0, AGENT)] {
            cluster.nodes[node].kill(daemon, Signal::KILL);
            cluster.nodes[node].start(daemon);
        }
        let running = cluster.wait_running("app=web", 12, TIMEOUT * 2);
        assert_eq!(cluster.agree().len(), 12);
        nodes_reach_each_other(cluster, &running);
    });
}

#[test]
#[ignore = "as the manifests do it, by hand and with etcd: .ci/kubernetes-clusters"]
fn the_plugin_is_replaced_while_pods_come() {
    with_pods_on_three_nodes(Store::Etcd, 3, |cluster| {
        scale(cluster.kubectl(), "web", 45);
        for node in &mut cluster.nodes {
            let installed = node.disk().join("plugins/gingham");
            let new = installed.with_extension("new");
            fs::copy(&installed, &new).unwrap();
            fs::rename(&new, &installed).unwrap();
            node.kill(AGENT, Signal::TERM);
            node.start(AGENT);
        }
        let running = cluster.wait_running("app=web", 45, TIMEOUT);
        assert_eq!(cluster.agree().len(), 45);
        nodes_reach_each_other(cluster, &running);
    });
}

#[test]
#[ignore = "as with the store kubernetes, with etcd: .ci/kubernetes-clusters"]
fn the_history_of_the_store_is_compacted_under_load() {
    compacted(Store::Etcd);
}

#[test]
fn the_history_of_the_store_is_compacted_under_load_with_the_store_kubernetes() {
    compacted(Store::Kubernetes);
}

fn compacted(store: Store) {
    with_pods_on_three_nodes(store, 3, |cluster| {
        scale(cluster.kubectl(), "web", 30);
        compact(cluster);
        cluster.wait_running("app=web", 30, TIMEOUT);
        compact(cluster);
        let running = scale_to(cluster, "web", 9);
        cluster.agree();
        nodes_reach_each_other(cluster, &running);
    });
}

/// Throws away all versions of records but the last ones.
fn compact(cluster: &Cluster) {
    let endpoint = &cluster.control_plane.etcd_endpoints()[0];
    let revision = call(endpoint, "/v3/kv/range", r#"{"key": "AA=="}"#);
    let revision = revision.split("\"revision\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let answer = call(endpoint, "/v3/kv/compaction", &format!(r#"{{"revision": "{revision}"}}"#));
    assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.0 200"), "{answer}");
}

/// A call of etcd's JSON interface.
fn call(endpoint: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(endpoint.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let length = body.len();
    write!(stream, "POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
#[ignore = "as with the store kubernetes, with etcd: .ci/kubernetes-clusters"]
fn pods_get_addresses_again_while_the_api_server_is_away() {
    api_server_away(Store::Etcd);
}

#[test]
fn pods_get_addresses_again_while_the_api_server_is_away_with_the_store_kubernetes() {
    api_server_away(Store::Kubernetes);
}

fn api_server_away(store: Store) {
    with_pods_on_three_nodes(store, 6, |cluster| {
        let before = cluster.agree();
        cluster.stop_api_server();
        for node in &cluster.nodes {
            // The kubelet makes each pod's sandbox again.
            let tasks = node.run("ctr", &["--namespace=k8s.io", "task", "list", "--quiet"]).stdout();
            for task in tasks.lines() {
                node.run("ctr", &["--namespace=k8s.io", "task", "kill", "--signal=SIGKILL", task]).stdout();
            }
        }
        std::thread::sleep(std::time::Duration::from_secs(20));
        cluster.start_api_server();
        cluster.wait_ready(3);
        // At first the API server has of each pod what was true before, and they agree on nothing.
        let after = cluster.agree();
        assert_eq!(after.len(), 6);
        assert_ne!(after, before, "other sandboxes have other addresses");
        nodes_reach_each_other(cluster, &cluster.wait_running("app=web", 6, TIMEOUT));
    });
}

#[test]
fn pods_come_while_the_tokens_of_agents_are_void() {
    with_pods_on_three_nodes(Store::Kubernetes, 6, |cluster| {
        cluster.void_agent_tokens();
        // Watches that are open go on. A server that starts again ends them, and the agents show their tokens.
        cluster.stop_api_server();
        cluster.start_api_server();
        for node in &cluster.nodes {
            until("an agent is refused", TIMEOUT, || {
                let log = node.log(AGENT, 20);
                if log.contains("401 Unauthorized") { Ok(()) } else { Err(log) }
            });
        }
        // An agent that was started now could not tell whether its node was taken over, and would give no address.
        scale_to(cluster, "web", 30);
        assert_eq!(cluster.agree().len(), 30);

        let audit = cluster.control_plane.audit_log().from_now();
        cluster.admit_agents();
        until("each agent makes calls with its new token", TIMEOUT, || {
            let sources = audit.sources(USER);
            if sources.len() == cluster.nodes.len() { Ok(()) } else { Err(format!("{sources:?}")) }
        });
        for node in &mut cluster.nodes {
            node.kill(AGENT, Signal::KILL);
            node.start(AGENT);
        }
        let running = scale_to(cluster, "web", 9);
        assert_eq!(cluster.agree().len(), 9);
        nodes_reach_each_other(cluster, &running);
    });
}
