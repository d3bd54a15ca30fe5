//! `node uninstall`: not under running containers, and the configuration first.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gingham_net::bridge;
use gingham_net::link;
use gingham_net::netlink::{Route, Socket};

use crate::leases_are_shown::{attach, now};
use crate::program::{Said, ctl};

const CONFLIST: &str = r#"{"cniVersion": "1.0.0", "name": "pods", "publishedBy": "gingham-node", "plugins": [
    {"type": "gingham", "bridge": "gtest0", "isGateway": true, "ipMasq": true,
     "ipam": {"type": "gingham", "policy": "host-local", "ranges": [[{"subnet": "10.77.0.0/24"}]]}}]}"#;

struct Node(tempfile::TempDir);

impl Node {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["net.d", "data/networks", "host/opt/cni/bin"] {
            fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        fs::set_permissions(dir.path().join("data"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(dir.path().join("host/opt/cni/bin/gingham"), "").unwrap();
        fs::write(dir.path().join("net.d/10-gingham.conflist"), CONFLIST).unwrap();
        fs::write(dir.path().join("data/networks/pods.conflist"), CONFLIST).unwrap();
        Self(dir)
    }

    fn path(&self, below: &str) -> String {
        self.0.path().join(below).to_str().unwrap().to_owned()
    }

    fn has(&self, below: &str) -> bool {
        Path::new(&self.path(below)).exists()
    }

    fn uninstall(&self, more: &[&str]) -> Said {
        let (config, data, host) = (self.path("net.d"), self.path("data"), self.path("host"));
        let fixed = ["node", "uninstall", "--yes", "--config-dir", &config, "--data-dir", &data, "--host", &host];
        ctl(fixed.iter().chain(more))
    }

    fn is_whole(&self) -> bool {
        ["net.d/10-gingham.conflist", "data/networks/pods.conflist", "host/opt/cni/bin/gingham"]
            .iter()
            .all(|file| self.has(file))
    }
}

#[test]
fn containers_keep_their_network_unless_forced() {
    let node = Node::new();
    attach(Path::new(&node.path("data")), "pods", "alive", &["10.77.0.2"], "/proc/self/ns/net", now());
    let refused = node.uninstall(&[]).failed();
    assert!(
        refused.contains("containers on this node hold addresses (attachments: 1)") && refused.contains("--force"),
        "{refused}"
    );
    assert!(node.is_whole());
    node.uninstall(&["--force"]).done();
    assert!(!node.has("net.d/10-gingham.conflist") && !node.has("host/opt/cni/bin/gingham"));
}

#[test]
fn the_order_is_configuration_kernel_programs() {
    let node = Node::new();
    let mut kernel = Socket::<Route>::open().unwrap();
    bridge::ensure(&mut kernel, "gtest0", None, false).unwrap();
    let said = node.uninstall(&[]).done();
    let said = said.replace(node.0.path().to_str().unwrap(), "NODE");
    insta::assert_snapshot!(said);
    assert!(link::by_name(&mut kernel, "gtest0").unwrap().is_none());
    // A second run, as after a kill, has nothing to do and no fault.
    let again = node.uninstall(&[]).done();
    assert!(!again.contains("removed"), "{again}");
}

#[test]
fn a_killed_uninstall_is_finished_from_the_staged_configuration() {
    let node = Node::new();
    let mut kernel = Socket::<Route>::open().unwrap();
    bridge::ensure(&mut kernel, "gtest0", None, false).unwrap();
    fs::remove_file(node.path("net.d/10-gingham.conflist")).unwrap();
    node.uninstall(&[]).done();
    assert!(link::by_name(&mut kernel, "gtest0").unwrap().is_none());
    assert!(!node.has("data/networks/pods.conflist"));
}

#[test]
fn configurations_of_people_are_left_to_them() {
    let node = Node::new();
    fs::write(node.path("net.d/05-own.conflist"), CONFLIST.replace("publishedBy", "by").replace("pods", "own"))
        .unwrap();
    let refused = node.uninstall(&[]).failed();
    assert!(refused.contains("05-own.conflist names gingham"), "{refused}");
    assert!(node.is_whole());
    node.uninstall(&["--force"]).done();
    assert!(node.has("net.d/05-own.conflist"));
}

#[test]
fn a_running_agent_is_stopped_first() {
    let node = Node::new();
    let _agent = gingham_net::node_routes::AgentLock::take(Path::new(&node.path("data"))).unwrap();
    let refused = node.uninstall(&["--force"]).failed();
    assert!(refused.contains("gingham-node runs"), "{refused}");
    assert!(node.is_whole());
}
