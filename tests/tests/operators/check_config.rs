//! `check-config` fails exactly where an ADD on this node fails: both are run on the same file, and compared.

use std::fs;
use std::process::Command;

use gingham_tests::cni::Cni;
use gingham_tests::ctl::ctl;
use gingham_tests::networks::{bridged, bridged_with};
use gingham_tests::node::Node;
use serde_json::{Value, json};

use crate::CONFIG_DIR;

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Configures one network alone.
fn configure(network: &Value) {
    let _ = fs::remove_dir_all(CONFIG_DIR);
    fs::create_dir(CONFIG_DIR).unwrap();
    fs::write(format!("{CONFIG_DIR}/network.conf"), network.to_string()).unwrap();
}

/// `check-config` first: it changes nothing.
#[track_caller]
fn both_say_the_same(node: &Node, number: usize, network: &Value, what: &str, is_accepted: bool) {
    configure(network);
    let checked = ctl(&["check-config", &format!("{CONFIG_DIR}/network.conf")]);
    let container = node.container(&format!("c{number}"));
    let added = Cni::add(network, &container).run();
    let said = format!("{what}: check-config {}{} ADD {}", checked.stdout(), checked.stderr(), added.stdout());
    assert_eq!(added.is_success(), is_accepted, "{said}");
    assert_eq!(checked.is_success(), is_accepted, "{said}");
    if added.is_success() {
        Cni::del(network, &container).run().succeeds();
    } else {
        assert_eq!(checked.failed().lines().count(), 1, "{said}");
    }
}

/// What ADD refuses, and `check-config` with it.
fn refused() -> Vec<(&'static str, Value)> {
    vec![
        ("mtu", json!({"mtu": 17})),
        ("bridge", json!({"bridge": "a name that is too long"})),
        ("vlan", json!({"vlan": 4095})),
        ("gateway's name", json!({"bridge": "twelve-bytes", "vlan": 100})),
        ("mac", json!({"args": {"cni": {"mac": "x"}}})),
        ("the runtime's mac", json!({"runtimeConfig": {"mac": "02:00"}})),
        ("label", json!({"args": {"cni": {"labels": 7}}})),
        ("version", json!({"cniVersion": "9.9.9"})),
        ("name", json!({"name": "a b"})),
        ("no policy", json!({"ipam": {"type": "gingham", "policy": "no-such"}})),
        ("no plugin", json!({"ipam": {"type": "no-such"}})),
        ("subnet", json!({"ipam": {"subnet": "10.7.0.1/24"}})),
        ("resolvConf", json!({"ipam": {"resolvConf": "/nowhere"}})),
        ("cooldown", json!({"ipam": {"cooldown": "soon"}})),
        ("layer 2 in a version without words for it", json!({"cniVersion": "0.2.0", "ipam": null})),
        (
            "too many addresses for the version",
            json!({"cniVersion": "0.2.0", "ipam":
            {"subnet": null, "ranges": [[{"subnet": "10.7.0.0/24"}], [{"subnet": "10.8.0.0/24"}]]}}),
        ),
        ("an address outside", json!({"args": {"cni": {"ips": ["10.9.0.1"]}}})),
        ("the gateway's address", json!({"args": {"cni": {"ips": ["10.7.0.1"]}}})),
        ("no room for a gateway", json!({"ipam": {"subnet": "10.7.0.0/32"}})),
        ("a route's scope", json!({"ipam": {"routes": [{"dst": "10.0.0.0/8", "scope": 256}]}})),
        ("everything excluded", json!({"ipam": {"exclude": ["10.7.0.0/24"]}})),
        ("a file for a directory", json!({"ipam": {"dataDir": "/proc/version"}})),
        ("below a file", json!({"ipam": {"dataDir": "/proc/version/x"}})),
        ("a directory of the kernel's", json!({"ipam": {"dataDir": "/proc/leases"}})),
        ("a directory of others", json!({"ipam": {"dataDir": "/run/of-others"}})),
        (
            "a gateway that containers cannot reach",
            json!({"bridge": "br5", "isDefaultGateway": true, "ipam": {"gateway": "10.9.9.1"}}),
        ),
        (
            "a member with another machine's address",
            json!({"ipam": {"type": "gingham", "policy": "weave-split", "subnet": null, "range": "10.80.0.0/20",
                "routing": "none", "cluster": {"store": "directory", "directory": "/run", "node": "n1",
                "address": "192.0.2.9"}}}),
        ),
        ("cluster without a policy that divides", json!({"ipam": {"cluster": {"store": "local"}}})),
    ]
}

/// What both accept, on a node with the address 192.0.2.1.
fn accepted() -> Vec<(&'static str, Value)> {
    vec![
        ("as it is", json!({})),
        ("layer 2", json!({"bridge": "br9", "ipam": null})),
        ("default gateway", json!({"bridge": "br1", "isDefaultGateway": true, "ipMasq": true})),
        (
            "a gateway elsewhere that a route leads to",
            json!({"name": "elsewhere", "bridge": "br6", "isDefaultGateway": true, "ipam": {"subnet": "10.17.1.0/24",
                "gateway": "10.9.9.1", "routes": [{"dst": "10.9.9.1/32", "scope": 253}]}}),
        ),
        (
            "two families",
            json!({"bridge": "br2", "ipam":
            {"subnet": null, "ranges": [[{"subnet": "10.17.0.0/24"}], [{"subnet": "fd00:17::/64"}]]}}),
        ),
        (
            "a cluster of one, with its gateway",
            json!({"name": "one", "bridge": "br3", "ipam": {"type": "gingham",
            "policy": "weave-split", "subnet": null, "range": "10.32.0.0/20", "cluster": {"store": "local"}}}),
        ),
        (
            "a divided range, with its gateway",
            json!({"name": "all", "bridge": "br4", "ipam": {"type": "gingham",
            "policy": "weave-split", "subnet": null, "range": "10.48.0.0/20", "cluster": {"store": "directory",
            "directory": "/run", "node": "n1", "address": "192.0.2.1"}, "routing": "none"}}),
        ),
    ]
}

#[test]
fn of_configurations() {
    let node = Node::new();
    fs::create_dir("/run/of-others").unwrap();
    fs::write("/run/of-others/file", "").unwrap();
    for (number, (what, change)) in refused().into_iter().enumerate() {
        both_say_the_same(&node, number, &bridged_with(change), what, false);
    }
    ip(&["address", "add", "192.0.2.1/32", "dev", "lo"]);
    for (number, (what, change)) in accepted().into_iter().enumerate() {
        both_say_the_same(&node, 100 + number, &bridged_with(change), what, true);
    }
}

#[test]
fn of_the_node_as_it_is() {
    let node = Node::new();
    ip(&["link", "add", "cni7", "type", "veth", "peer", "name", "peer7"]);
    both_say_the_same(&node, 0, &bridged_with(json!({"bridge": "cni7"})), "no bridge", false);
    ip(&["link", "add", "cni8", "type", "bridge"]);
    ip(&["address", "add", "192.0.2.1/24", "dev", "cni8"]);
    both_say_the_same(&node, 1, &bridged_with(json!({"bridge": "cni8"})), "another address", false);
    let forced = bridged_with(json!({"bridge": "cni8", "forceAddress": true}));
    both_say_the_same(&node, 2, &forced, "forced", true);
    both_say_the_same(&node, 3, &bridged_with(json!({"bridge": "cni8", "vlan": 7})), "no VLANs", false);
    let full = bridged_with(json!({"name": "full", "bridge": "cni9", "ipam": {"subnet": "10.9.0.0/30"}}));
    Cni::add(&full, &node.container("only")).run().result();
    both_say_the_same(&node, 4, &full, "full", false);
    fs::write("/run/store", "").unwrap();
    let unusable =
        bridged_with(json!({"name": "lost", "bridge": "br6", "ipam": {"type": "gingham", "policy": "weave-split",
        "subnet": null, "range": "10.64.0.0/20", "routing": "none",
        "cluster": {"store": "directory", "directory": "/run/store", "node": "n1", "address": "192.0.2.1"}}}));
    both_say_the_same(&node, 5, &unusable, "no store", false);
}

#[test]
fn what_may_surprise_is_noted_and_fails_nothing() {
    let _node = Node::new();
    fs::create_dir("/run/bin").unwrap();
    fs::write("/run/bin/containerd", "#!/bin/sh\necho containerd github.com/containerd/containerd 1.6.20~ds1 1.6\n")
        .unwrap();
    fs::set_permissions("/run/bin/containerd", std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    configure(&bridged_with(json!({"ipMasq": true})));
    fs::write(format!("{CONFIG_DIR}/second.conf"), bridged().to_string()).unwrap();
    let mut command = Command::new(gingham_tests::node::CTL);
    command.args(["check-config", "mynet", "--config-dir", CONFIG_DIR]);
    command.env("PATH", "/run/bin").env("CNI_PATH", gingham_tests::node::PLUGINS);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for note in [
        "containers get no default route",
        "second.conf configures a network of the same name",
        "cniVersion is 1.1.0, but containerd 1.6.20~ds1 on this machine takes none newer than 1.0.0",
    ] {
        assert!(text.contains(note), "{note}: {text}");
    }
}

/// Of a pod that is not there, nothing is known but what the options say.
#[test]
fn the_pod_that_is_tried_is_described_by_options() {
    let _node = Node::new();
    let policy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("policies/by-annotation");
    fs::write("/run/by-annotation.wasm", gingham_build::build_policy(&policy).unwrap().bytes).unwrap();
    ctl(&["policy", "add", "/run/by-annotation.wasm"]).done();
    configure(&bridged_with(json!({"ipam": {"type": "gingham", "policy": "by-annotation", "static": "10.7.0.16/28"}})));
    let file = format!("{CONFIG_DIR}/network.conf");
    let unknown = ctl(&["check-config", &file, "--pod", "shop/web-0"]).failed();
    assert!(unknown.contains("annotations are unknown"), "{unknown}");
    let options = ["--pod", "shop/web-0", "--label", "app=web", "--annotation", "gingham/address=10.7.0.20"];
    let known = ctl(&[&["check-config", &file], &options[..]].concat()).done();
    assert!(known.contains("first     10.7.0.20"), "{known}");
}
