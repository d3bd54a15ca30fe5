//! Pods of a `StatefulSet` come back to their addresses.

use std::path::Path;

use serde_json::json;

use crate::shared::with_cluster;
use crate::workloads::{TIMEOUT, list, on_first_node, placed, remove, workload};

#[test]
fn sticky_pods_of_a_stateful_set_come_back_to_their_addresses() {
    with_cluster(|cluster| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let built = gingham_build::build_policy(&workspace.join("policies/sticky")).unwrap();
        let component = cluster.nodes[0].disk().join("sticky.wasm");
        std::fs::write(&component, built.bytes).unwrap();
        cluster.nodes[0].ctl(&["policy", "add", &component.display().to_string()]).stdout();
        let ipam = json!({
            "type": "gingham", "policy": "sticky", "subnet": "10.60.0.0/24", "routes": [{"dst": "0.0.0.0/0"}],
        });
        let plugin =
            json!({"type": "gingham", "bridge": "sticky0", "isDefaultGateway": true, "ipMasq": true, "ipam": ipam});
        cluster.configure(&list(&plugin));
        let mut set = on_first_node(workload("StatefulSet", "db", 3));
        set["spec"]["serviceName"] = json!("db");
        set["spec"]["podManagementPolicy"] = json!("Parallel");
        cluster.kubectl().apply(&set.to_string());
        let addresses = |count: usize| {
            let pods = placed(&cluster.wait_running("app=db", count, TIMEOUT));
            let mut pairs: Vec<_> = pods.into_iter().map(|pod| (pod.name, pod.address)).collect();
            pairs.sort();
            pairs
        };
        let scale = |count: usize| {
            cluster.kubectl().run(&["scale", "statefulset", "db", &format!("--replicas={count}")]).stdout();
            addresses(count)
        };
        let before = addresses(3);
        assert_eq!(scale(1), before[..1]);
        assert_eq!(scale(3), before);
        cluster.kubectl().run(&["delete", "pod", "db-1", "--wait=true"]).stdout();
        assert_eq!(addresses(3), before);
        cluster.agree();
        remove(cluster, &["db"]);
    });
}
