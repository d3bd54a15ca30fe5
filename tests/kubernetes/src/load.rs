//! What measurements scale up and down.

use serde_json::{Value, json};

use crate::image::BUSYBOX;

pub fn deployment(replicas: usize) -> Value {
    let container = json!({"name": "main", "image": BUSYBOX, "imagePullPolicy": "Never"});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "load"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "load"}},
            "template": {"metadata": {"labels": {"app": "load"}}, "spec": {
                "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false, "containers": [container],
            }},
        },
    })
}
