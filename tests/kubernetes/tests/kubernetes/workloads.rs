//! What tests let a cluster run.

use std::net::SocketAddr;
use std::time::Duration;

use gingham_kubernetes_tests::command::until;
use gingham_kubernetes_tests::image::BUSYBOX;
use gingham_kubernetes_tests::node::pods::server;
use gingham_kubernetes_tests::{Cluster, Kubectl, Node};
use serde_json::{Value, json};

/// For what lasts some seconds on a machine that does nothing else: it ends a test that hangs.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(8);

/// A network of one node's own pods.
pub(crate) fn bridge_with_host_local(kind: &str, node: &Node) -> String {
    let subnet = format!("10.244.{}.0/24", node.address.octets()[3]);
    let ipam = json!({
        "type": "host-local", "ranges": [[{"subnet": subnet}]], "routes": [{"dst": "0.0.0.0/0"}],
    });
    list(
        &json!({"type": kind, "bridge": "cni0", "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true, "ipam": ipam}),
    )
}

/// Where the owners of blocks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// The etcd of the control plane.
    Etcd,
    Kubernetes,
}

/// A range that all nodes share. The networks of two stores have nothing in common: tests use them in turn.
pub(crate) fn weave_split(cluster: &Cluster, store: Store) -> String {
    let (name, range, settings) = match store {
        Store::Etcd => {
            let endpoints = cluster.control_plane.etcd_endpoints();
            ("pods", "10.32.0.0/12", json!({"store": "etcd", "endpoints": endpoints}))
        }
        Store::Kubernetes => (KUBERNETES_NETWORK, "10.64.0.0/12", json!({"store": "kubernetes"})),
    };
    let ipam = json!({"type": "gingham", "policy": "weave-split", "range": range, "cluster": settings});
    let plugin = json!({
        "type": "gingham", "bridge": format!("{name}0"), "isGateway": true, "isDefaultGateway": true, "ipMasq": true,
        "hairpinMode": true, "ipam": ipam,
    });
    list_of(name, &plugin)
}

/// The network of [`Store::Kubernetes`].
pub(crate) const KUBERNETES_NETWORK: &str = "kube";

/// A plugin as a configuration list, with portmap as everywhere in Kubernetes.
pub(crate) fn list(plugin: &Value) -> String {
    list_of("pods", plugin)
}

fn list_of(name: &str, plugin: &Value) -> String {
    let portmap = json!({"type": "portmap", "capabilities": {"portMappings": true}});
    json!({"cniVersion": "1.0.0", "name": name, "plugins": [plugin, portmap]}).to_string()
}

/// Pods that answer on port 80 with their name.
pub(crate) fn deployment(name: &str, replicas: usize) -> Value {
    workload("Deployment", name, replicas)
}

pub(crate) fn workload(kind: &str, name: &str, replicas: usize) -> Value {
    let serve = "while :; do hostname | nc -l -p 80 >/dev/null; done";
    json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "automountServiceAccountToken": false,
                    "containers": [{
                        "name": "main", "image": BUSYBOX, "imagePullPolicy": "Never",
                        "command": ["/bin/sh", "-c", serve],
                    }],
                },
            },
        },
    })
}

/// The shared cluster may have more nodes than a test is about.
pub(crate) fn on_first_node(mut workload: Value) -> Value {
    workload["spec"]["template"]["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": "node-1"});
    workload
}

pub(crate) fn scale(kubectl: &Kubectl, name: &str, replicas: usize) {
    kubectl.run(&["scale", "deployment", name, &format!("--replicas={replicas}")]).stdout();
}

/// Runs exactly so many pods of a deployment that is there.
#[track_caller]
pub(crate) fn scale_to(cluster: &Cluster, name: &str, replicas: usize) -> Vec<Value> {
    scale(cluster.kubectl(), name, replicas);
    cluster.wait_running(&format!("app={name}"), replicas, TIMEOUT)
}

#[track_caller]
pub(crate) fn remove(cluster: &Cluster, names: &[&str]) {
    for name in names {
        let kinds = "deployment,statefulset,service";
        cluster.kubectl().run(&["delete", kinds, name, "--ignore-not-found", "--wait=false"]).stdout();
        cluster.wait_running(&format!("app={name}"), 0, TIMEOUT);
    }
}

/// A pod's name, node and address.
pub(crate) struct Placed {
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) address: String,
}

pub(crate) fn placed(pods: &[Value]) -> Vec<Placed> {
    let text = |value: &Value| value.as_str().expect("a running pod has it").to_owned();
    pods.iter()
        .map(|pod| Placed {
            name: text(&pod["metadata"]["name"]),
            node: text(&pod["spec"]["nodeName"]),
            address: text(&pod["status"]["podIP"]),
        })
        .collect()
}

/// From one pod of each node to one pod of each node, itself included.
#[track_caller]
pub(crate) fn nodes_reach_each_other(cluster: &Cluster, pods: &[Value]) {
    let pods = placed(pods);
    let first_of = |node: &str| pods.iter().find(|pod| pod.node == node).unwrap_or_else(|| panic!("{node} has no pod"));
    let up = || cluster.nodes.iter().filter(|node| node.is_up());
    for from in up() {
        for to in up() {
            let (client, target) = (first_of(&from.name), first_of(&to.name));
            let target_address = server(&target.address, 80);
            let answer = answers(&client.name, target_address, || from.ask_from_pod(&client.name, target_address));
            assert_eq!(answer, target.name, "{} of {} asks {target_address}", client.name, from.name);
        }
    }
}

/// Every service forwards in its own time, and a server of one connection at a time is busy for a moment.
#[track_caller]
pub(crate) fn answers(from: &str, server: SocketAddr, mut asked: impl FnMut() -> Result<String, String>) -> String {
    until(&format!("{server} answers {from}"), TIMEOUT, || {
        asked().and_then(|name| if name.is_empty() { Err("it closed the connection".to_owned()) } else { Ok(name) })
    })
}
