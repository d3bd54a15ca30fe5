//! Pods, services and ports of nodes are reached from where Kubernetes promises it.

use std::net::SocketAddr;

use gingham_kubernetes_tests::Cluster;
use gingham_kubernetes_tests::command::until;
use gingham_kubernetes_tests::node::pods::{ask, server};
use serde_json::{Value, json};

use crate::shared::with_cluster;
use crate::workloads::{TIMEOUT, answers, bridge_with_host_local, deployment, on_first_node, remove};

const HOST_PORT: u16 = 8080;
const NODE_PORT: u16 = 30080;

fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap()
}

fn address_of_service(cluster: &Cluster) -> String {
    let service = cluster.kubectl().get(&["service", "web"]);
    service["spec"]["clusterIP"].as_str().unwrap().to_owned()
}

#[test]
fn pods_are_reached_by_service_and_by_port_of_the_node() {
    with_cluster(|cluster| {
        cluster.configure_each(|node| bridge_with_host_local("gingham", node));
        let mut web = on_first_node(deployment("web", 1));
        web["spec"]["template"]["spec"]["containers"][0]["ports"] =
            json!([{"containerPort": 80, "hostPort": HOST_PORT}]);
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": {"app": "web"}},
            "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "nodePort": NODE_PORT}]}});
        for object in [&web, &service, &on_first_node(deployment("client", 1))] {
            cluster.kubectl().apply(&object.to_string());
        }
        let web = cluster.wait_running("app=web", 1, TIMEOUT).remove(0);
        let client = cluster.wait_running("app=client", 1, TIMEOUT).remove(0);
        let node = &cluster.nodes[0];
        let direct = server(web["status"]["podIP"].as_str().unwrap(), 80);
        let of_service = server(&address_of_service(cluster), 80);
        let of_node = |port| SocketAddr::new(node.address.into(), port);
        for target in [direct, of_service, of_node(HOST_PORT), of_node(NODE_PORT)] {
            let from_pod = answers("a pod", target, || node.ask_from_pod(name(&client), target));
            let from_itself = answers("itself", target, || node.ask_from_pod(name(&web), target));
            let from_node = answers("the node", target, || node.ask(target));
            assert_eq!([&*from_pod, &*from_itself, &*from_node], [name(&web); 3], "{target}");
        }
        for target in [of_node(HOST_PORT), of_node(NODE_PORT)] {
            let from_outside = answers("another machine", target, || ask(target).map_err(|error| error.to_string()));
            assert_eq!(from_outside, name(&web), "{target}");
        }
        remove(cluster, &["web", "client"]);
        assert!(cluster.agree().is_empty());
        // The kubelet ends a pod's network after the API has forgotten the pod.
        until("the port of the node is closed again", TIMEOUT, || match ask(of_node(HOST_PORT)) {
            Ok(answer) => Err(format!("{answer} answers")),
            Err(_) => Ok(()),
        });
    });
}
