//! What tests let a cluster run.

use std::time::Duration;

use gingham_kubernetes_tests::image::BUSYBOX;
use gingham_kubernetes_tests::{Cluster, Kubectl};
use serde_json::{Value, json};

/// For what lasts some seconds on a machine that does nothing else.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(150);

/// A network of one node's own pods.
pub(crate) fn bridge_with_host_local(kind: &str) -> String {
    let ipam = json!({
        "type": "host-local", "ranges": [[{"subnet": "10.244.0.0/20"}]], "routes": [{"dst": "0.0.0.0/0"}],
    });
    list(
        &json!({"type": kind, "bridge": "cni0", "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true, "ipam": ipam}),
    )
}

/// A plugin as a configuration list, with portmap as everywhere in Kubernetes.
pub(crate) fn list(plugin: &Value) -> String {
    let portmap = json!({"type": "portmap", "capabilities": {"portMappings": true}});
    json!({"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin, portmap]}).to_string()
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
