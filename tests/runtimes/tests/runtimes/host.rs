//! A node as people install it: the reference plugins and Gingham in one directory, network configurations in another.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use gingham_tests::node::{Node, PLUGINS, empty};
use rustix::mount::mount_bind;
use serde_json::{Value, json};

use crate::program::run;

/// Where Debian installs plugins and its runtimes look for them.
const PLUGIN_DIRECTORY: &str = "/usr/lib/cni";

/// Where the runtimes look for networks.
pub(crate) const NETWORKS: &str = "/etc/cni/net.d";

/// The reference plugins, out of the way.
const REFERENCE: &str = "/run/reference";

/// The group that this run's containers are in; tests/in-namespaces removes it.
pub(crate) fn cgroup() -> String {
    std::env::var("GINGHAM_CGROUP").expect("tests/in-namespaces names the cgroup")
}

/// Whether everything is there that all these tests want. Where something is not, the run ends by saying so.
fn can_run(more: &[(&str, &str)]) -> bool {
    // The user namespace of the machine, in which no user is missing.
    let is_root = fs::read_to_string("/proc/self/uid_map").unwrap().contains("4294967295");
    let always = [
        ("/usr/lib/cni/bridge", "containernetworking-plugins"),
        ("/usr/sbin/runc", "runc"),
        ("/usr/bin/busybox", "busybox-static"),
        ("/usr/sbin/iptables", "iptables"),
    ];
    skipped_tests::holds(is_root, "to be run as root (container runtimes do)")
        && always.iter().chain(more).all(|(program, package)| skipped_tests::has(program, package))
}

/// Whether tests of containerd can run.
pub(crate) fn has_containerd() -> bool {
    can_run(&[("/usr/bin/containerd", "containerd")])
}

/// Whether tests of podman can run.
pub(crate) fn has_podman() -> bool {
    can_run(&[("/usr/bin/podman", "podman"), ("/usr/bin/conmon", "conmon")])
}

/// A fresh node: no network, no container, nothing of the machine's runtimes in sight.
pub(crate) fn host() -> Node {
    let node = Node::new();
    fs::create_dir("/run/tmp").unwrap();
    fs::create_dir_all("/run/plugins-of-the-node").unwrap();
    fs::create_dir(REFERENCE).unwrap();
    mount_bind(PLUGIN_DIRECTORY, REFERENCE).unwrap();
    for entry in fs::read_dir(REFERENCE).unwrap() {
        let name = entry.unwrap().file_name();
        symlink(Path::new(REFERENCE).join(&name), Path::new("/run/plugins-of-the-node").join(&name)).unwrap();
    }
    symlink(Path::new(PLUGINS).join("gingham"), "/run/plugins-of-the-node/gingham").unwrap();
    mount_bind("/run/plugins-of-the-node", PLUGIN_DIRECTORY).unwrap();
    for directory in ["/etc/cni", "/etc/containers", "/dev/shm"] {
        if Path::new(directory).exists() {
            empty(Path::new(directory));
        }
    }
    fs::create_dir_all(NETWORKS).unwrap();
    node
}

/// Writes the node's one network: a list of plugins called "mynet".
pub(crate) fn configure(plugins: &[Value]) {
    let list = json!({"cniVersion": "1.0.0", "name": "mynet", "plugins": plugins});
    // Renamed, so that a runtime that watches the directory never reads half of it; and within the directory, because
    // containerd does not notice a file that comes from elsewhere.
    let [new, final_name] = ["10-mynet.new", "10-mynet.conflist"].map(|name| Path::new(NETWORKS).join(name));
    fs::write(&new, list.to_string()).unwrap();
    fs::rename(&new, &final_name).unwrap();
}

/// Gingham, or the reference bridge, with 10.7.0.0/24.
pub(crate) fn bridge(kind: &str) -> Value {
    json!({
        "type": kind, "bridge": "cni0", "isGateway": true, "ipMasq": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.7.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]},
    })
}

/// The reference plugin that opens ports of the node, as every runtime's documentation chains it.
pub(crate) fn portmap() -> Value {
    json!({"type": "portmap", "capabilities": {"portMappings": true}})
}

/// The rules of `portmap` that lead to an address.
pub(crate) fn port_rules(address: &str) -> Vec<String> {
    let rules = run("iptables-save", &["-t", "nat"]).done();
    let leads_there = |rule: &&str| rule.contains(&format!("--to-destination {address}:"));
    rules.lines().filter(leads_there).map(str::to_owned).collect()
}
