//! `ginghamctl cluster` with the Kubernetes API as the store: a real API server, and nodes that are data directories of one
//! host. No agent runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gingham_kubernetes_tests::{ControlPlane, programs, users};
use gingham_net::netns::NetNs;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{CTL, Said};

const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/kubernetes/base/crds");

pub(crate) struct Nodes {
    directory: TempDir,
    pub(crate) plane: ControlPlane,
}

impl Nodes {
    pub(crate) fn new() -> Self {
        let plane = ControlPlane::start();
        plane.kubectl().run(&["apply", "--validate=false", "-f", CRDS]).stdout();
        plane.kubectl().run(&["wait", "--for=condition=Established", "crd", "--all"]).stdout();
        let nodes = Self { directory: tempfile::tempdir().unwrap(), plane };
        fs::write(nodes.path("token"), &nodes.plane.user(users::ADMIN).token).unwrap();
        ["node-1", "node-2"].iter().for_each(|node| nodes.configure(node));
        nodes
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Also what an agent leaves in the data directory: the node's name.
    fn configure(&self, node: &str) {
        let (data, configurations) = (self.path(node), self.path(&format!("net.d-{node}")));
        let config = json!({"cniVersion": "1.1.0", "name": "pods", "type": "gingham", "bridge": "pods0",
            "ipam": {"type": "gingham", "policy": "weave-split", "range": "10.32.0.0/24", "blockSize": 28, "dataDir": data,
                "routing": "none", "cluster": {"store": "kubernetes", "lowWater": 0}}});
        fs::create_dir(&data).unwrap();
        fs::write(data.join("node-name"), node).unwrap();
        fs::create_dir(&configurations).unwrap();
        fs::write(configurations.join("10-pods.conf"), config.to_string()).unwrap();
    }

    fn command(&self, node: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(CTL);
        command.arg("cluster").args(arguments).arg("--config-dir").arg(self.path(&format!("net.d-{node}")));
        command.env_remove("KUBERNETES_SERVICE_HOST");
        command
    }

    fn with_access(&self, node: &str, authority: &Path, arguments: &[&str]) -> Said {
        let mut command = self.command(node, arguments);
        command.args(["--kube-server", &self.plane.url()]).arg("--kube-ca").arg(authority);
        Said::by(command.arg("--kube-token").arg(self.path("token")))
    }

    pub(crate) fn cluster(&self, node: &str, arguments: &[&str]) -> Said {
        self.with_access(node, self.plane.authority(), arguments)
    }

    /// Names, states and numbers of blocks of the members, as a node is told.
    fn members(&self, node: &str) -> Vec<(String, String, usize)> {
        let status: Value = serde_json::from_str(&self.cluster(node, &["status", "--json"]).done()).unwrap();
        assert_eq!((&status["store"], &status["node"]), (&json!("kubernetes"), &json!(node)));
        let member = |member: &Value| {
            let text = |key: &str| member[key].as_str().unwrap().to_owned();
            (text("node"), text("state"), member["blocks"].as_array().unwrap().len())
        };
        status["members"].as_array().unwrap().iter().map(member).collect()
    }

    fn owners(&self) -> Vec<String> {
        let blocks = self.plane.kubectl().get(&["addressblocks"]);
        let owner = |block: &Value| block["spec"]["owner"].as_str().unwrap().to_owned();
        let mut owners: Vec<String> = blocks["items"].as_array().unwrap().iter().map(owner).collect();
        owners.sort();
        owners
    }
}

fn member(node: &str, state: &str, blocks: usize) -> (String, String, usize) {
    (node.to_owned(), state.to_owned(), blocks)
}

#[test]
fn nodes_join_are_shown_are_taken_over_and_leave() {
    if !programs::has_control_plane() {
        return;
    }
    let host = NetNs::create().unwrap();
    host.enter(|| {
        let nodes = Nodes::new();
        for node in ["node-1", "node-2"] {
            nodes.cluster(node, &["join"]).done();
        }
        assert_eq!(nodes.owners(), ["node-1", "node-2"]);
        assert_eq!(nodes.members("node-1"), [member("node-1", "member", 1), member("node-2", "member", 1)]);

        // No kubelet has ever renewed a Lease: silence proves nothing.
        let refused = nodes.cluster("node-1", &["takeover", "node-2", "--yes"]).failed();
        assert!(refused.contains("--force"), "{refused}");
        nodes.cluster("node-1", &["takeover", "node-2", "--yes", "--force"]).done();
        assert_eq!(nodes.members("node-1"), [member("node-1", "member", 1), member("node-2", "taken", 0)]);

        nodes.cluster("node-1", &["leave", "--yes"]).done();
        assert_eq!(nodes.members("node-2"), [member("node-1", "left", 0), member("node-2", "taken", 0)]);
    })
    .unwrap();
}

#[test]
fn without_access_a_node_does_not_leave() {
    if !programs::has_control_plane() {
        return;
    }
    let host = NetNs::create().unwrap();
    host.enter(|| {
        let nodes = Nodes::new();
        nodes.cluster("node-1", &["join"]).done();
        let refused = Said::by(&mut nodes.command("node-1", &["leave", "--yes"])).failed();
        assert!(refused.contains("--kube-server") && refused.contains("nothing was changed"), "{refused}");
        let status = Said::by(&mut nodes.command("node-1", &["status"]));
        assert!(status.out.contains("node-1 *"), "{}", status.out);
        nodes.cluster("node-1", &["leave", "--yes"]).done();
        assert_eq!(nodes.members("node-1"), [member("node-1", "left", 0)]);
    })
    .unwrap();
}

#[test]
fn without_access_a_node_shows_its_own_part_and_says_how_to_get_access() {
    if !programs::has_control_plane() {
        return;
    }
    let host = NetNs::create().unwrap();
    host.enter(|| {
        let nodes = Nodes::new();
        nodes.cluster("node-1", &["join"]).done();
        let said = Said::by(&mut nodes.command("node-1", &["status"]));
        assert!(said.out.contains("node-1 *") && said.out.contains("the store is unreachable"), "{}", said.out);
        assert!(said.failed().contains("--kube-server, --kube-ca and --kube-token"));
        let said = Said::by(nodes.command("node-1", &["status"]).args(["--kube-server", "192.0.2.1:6443"]));
        assert!(said.failed().contains("invalid API server URL \"192.0.2.1:6443\""));
        let said = nodes.with_access("node-1", &nodes.path("no-such-file"), &["status"]);
        assert!(said.out.contains("node-1 *"), "{}", said.out);
        assert!(said.failed().contains("no-such-file"));
    })
    .unwrap();
}
