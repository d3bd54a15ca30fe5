//! The network's object is edited by people: what the plugin would refuse stays away from the nodes, which go on with what they
//! have and say why.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gingham_kubernetes_tests::programs;
use serde_json::{Value, json};

use crate::kubernetes_is_the_store::Cluster;
use crate::testbed::Agent;

const PATIENCE: Duration = Duration::from_mins(1);

/// What the installed file brings, and a plugin that runs.
fn prepare(cluster: &Cluster) -> (PathBuf, PathBuf) {
    let (values, plugins) = (cluster.testbed.path("values"), cluster.testbed.path("plugins"));
    fs::create_dir(&values).unwrap();
    fs::create_dir(&plugins).unwrap();
    for (key, value) in [
        ("name", "pods"),
        ("range", "10.32.0.0/24"),
        ("policy", "weave-split"),
        ("routing", "none"),
        ("bridge", "gingham0"),
    ] {
        fs::write(values.join(key), value).unwrap();
    }
    fs::write(plugins.join("gingham"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(plugins.join("gingham"), fs::Permissions::from_mode(0o755)).unwrap();
    (values, plugins)
}

fn edit(cluster: &Cluster, patch: &Value) {
    let text = patch.to_string();
    cluster.plane.kubectl().run(&["patch", "addressnetwork", "pods", "--type=merge", "--patch", &text]).stdout();
}

#[track_caller]
fn until(agent: &Agent, what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "{what}: {}\n{}", agent.ask("/readyz"), agent.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn an_object_that_the_plugin_would_refuse_is_not_published() {
    if !programs::has_control_plane() {
        return;
    }
    let cluster = Cluster::new();
    let (values, plugins) = prepare(&cluster);
    let other = json!({"cniVersion": "1.0.0", "name": "other", "type": "loopback"});
    let [values, plugins] = [&values, &plugins].map(|path| path.to_str().unwrap());
    let agent = cluster.agent_with(1, &other, &["--kubernetes", values, "--plugin-dir", plugins]);
    let file = cluster.testbed.path("node-1.d").join("10-gingham.conflist");
    until(&agent, "published", || file.exists() && agent.ask("/readyz").ends_with("ok\n"));
    let published = fs::read_to_string(&file).unwrap();

    for (config, words) in [
        (json!({"bridge": "../../x"}), "spec.config: bridge: "),
        (json!({"bridge": "gingham0", "ipam": {"dataDir": "/var/lib/other"}}), "spec.config.ipam.dataDir: every node"),
        // The agent goes on with the range of which the node has blocks: by another one it can claim none.
        (
            json!({"ipam": {"dataDir": null, "range": "10.64.0.0/12"}}),
            "spec.config: the cluster's range is 10.32.0.0/24 in",
        ),
    ] {
        edit(&cluster, &json!({"spec": {"config": config}}));
        until(&agent, words, || agent.ask("/readyz").contains(words));
        let kept = "the runtime keeps the configuration that it has: AddressNetwork pods";
        assert!(agent.log().lines().any(|line| line.contains(kept) && line.contains(words)), "{}", agent.log());
        let health = agent.ask("/healthz");
        assert!(health.contains("pods: reconciled"), "{health}");
        assert_eq!(fs::read_to_string(&file).unwrap(), published);
    }
    edit(&cluster, &json!({"spec": {"config": {"mtu": 1400, "ipam": {"range": "10.32.0.0/24"}}}}));
    until(&agent, "published again", || fs::read_to_string(&file).unwrap().contains("1400"));
    until(&agent, "ready again", || agent.ask("/readyz").ends_with("ok\n"));

    // As a member that joins again leaves it, when somebody deleted the object and its kind.
    edit(&cluster, &json!({"spec": {"config": null}}));
    let bridge = || cluster.plane.kubectl().get(&["addressnetwork", "pods"])["spec"]["config"]["bridge"].clone();
    until(&agent, "completed", || bridge() == "gingham0");
}

#[test]
fn a_block_that_no_node_can_have_is_reported() {
    if !programs::has_control_plane() {
        return;
    }
    let cluster = Cluster::new();
    let agent = cluster.agent(1, &[]);
    until(&agent, "a member", || agent.ask("/healthz").contains("net: reconciled"));
    let spec = json!({
        "network": "net", "cidr": "10.32.0.128/30", "owner": "node-9", "incarnation": 1, "nonce": "0123456789abcdef",
    });
    let block = json!({
        "apiVersion": "gingham.dev/v1alpha1", "kind": "AddressBlock", "metadata": {"name": "net.10.32.0.128-30"}, "spec": spec,
    });
    cluster.plane.kubectl().apply(&block.to_string());
    let words = "has 1 records of blocks that no node can have, the first of them 10.32.0.128/30";
    until(&agent, words, || agent.log().contains(words));
    cluster.plane.kubectl().run(&["delete", "addressblock", "net.10.32.0.128-30"]).stdout();
    until(&agent, "resolved", || agent.log().contains("resolved: the cluster's store has 1 records"));
}
