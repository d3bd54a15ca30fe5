use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::networks::Network;
use crate::reconcile::Status;

struct Node(tempfile::TempDir);

impl Node {
    /// With a plugin that answers, and nothing staged.
    fn new() -> Self {
        let node = Self(tempfile::tempdir().unwrap());
        for directory in ["data/networks", "net.d", "bin"] {
            fs::create_dir_all(node.0.path().join(directory)).unwrap();
        }
        node.plugin("#!/bin/sh\n[ \"$CNI_COMMAND\" = VERSION ]\n");
        node
    }

    fn plugin(&self, script: &str) {
        let plugin = self.0.path().join("bin/gingham");
        fs::write(&plugin, script).unwrap();
        fs::set_permissions(plugin, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn stage(&self, range: &str) {
        let config = json!({"ipam": {"policy": "weave-split", "range": range}});
        let text = conflist("pods", &config, &self.0.path().join("bin")).unwrap();
        fs::write(self.0.path().join("data/networks/pods.conflist"), text.to_string()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("net.d").join(FILE)
    }

    fn staged(&self) -> Option<Network> {
        let found = networks::read(&self.0.path().join("data/networks"));
        found.all().next().cloned()
    }

    fn step(&self, state: State, free: u64) -> Publication {
        self.step_of(state, free, None)
    }

    /// `reconciled`: another configuration than the one that is staged.
    fn step_of(&self, state: State, free: u64, reconciled: Option<&Network>) -> Publication {
        let mut status = Status { state, ..Status::new(Duration::from_secs(5)) };
        status.usage.free = free;
        status.network = reconciled.cloned().or_else(|| self.staged());
        let path = self.0.path();
        let board = Board::with("pods", status);
        let [data_dir, config_dir, plugin_dir] = ["data", "net.d", "bin"].map(|part| path.join(part));
        let library = path.join("policies");
        let publisher = Publisher::new("pods", &Places { library, data_dir, config_dir, plugin_dir }, board);
        publisher.step();
        publisher.published().now()
    }
}

#[test]
fn the_configuration_comes_when_all_else_is_there() {
    let node = Node::new();
    let waiting = |node: &Node, state, free| node.step(state, free).waiting.unwrap_or_default();
    assert_eq!(waiting(&node, State::Reconciled, 9), "no network is known yet");
    node.stage("10.32.0.0/12");
    assert!(waiting(&node, State::Starting, 9).contains("is starting"));
    assert!(waiting(&node, State::Failed("policy x: no".to_owned()), 9).contains("policy x: no"));
    assert!(waiting(&node, State::StoreUnreachable("no answer".to_owned()), 9).contains("no answer"));
    assert!(waiting(&node, State::Reconciled, 0).contains("no free address"));
    node.plugin("#!/bin/sh\nexit 1\n");
    assert!(waiting(&node, State::Reconciled, 9).contains("does not run"));
    assert!(!node.file().exists());
    node.plugin("#!/bin/sh\n");
    assert_eq!(node.step(State::Reconciled, 9), Publication::default());
    assert!(node.file().exists());
}

#[test]
fn what_the_reconcile_loop_has_not_seen_is_not_published() {
    let node = Node::new();
    node.stage("10.32.0.0/12");
    node.step(State::Reconciled, 9);
    let (before, text) = (node.staged(), fs::read_to_string(node.file()).unwrap());
    node.stage("10.64.0.0/12");
    let waiting = node.step_of(State::Reconciled, 9, before.as_ref()).waiting.unwrap();
    assert!(waiting.contains("is not reconciled by its present configuration yet"), "{waiting}");
    assert_eq!(fs::read_to_string(node.file()).unwrap(), text);
}

#[test]
fn it_stays_through_all_trouble_and_is_rewritten_only_if_different() {
    use std::os::unix::fs::MetadataExt;
    let node = Node::new();
    node.stage("10.32.0.0/12");
    node.step(State::Reconciled, 9);
    let inode = || fs::metadata(node.file()).unwrap().ino();
    let first = inode();
    for state in [State::Starting, State::StoreUnreachable(String::new()), State::Failed(String::new())] {
        assert_eq!(node.step(state, 0).waiting, None);
    }
    assert_eq!(node.step(State::Reconciled, 9).waiting, None);
    assert_eq!(inode(), first);
    node.stage("10.64.0.0/12");
    assert!(node.step(State::Starting, 9).waiting.is_some());
    assert_eq!(inode(), first);
    node.step(State::Reconciled, 9);
    assert!(fs::read_to_string(node.file()).unwrap().contains("10.64.0.0/12"));
}

#[test]
fn a_file_of_others_that_sorts_first_is_reported_and_left() {
    let node = Node::new();
    node.stage("10.32.0.0/12");
    let other = |name: &str| fs::write(node.0.path().join("net.d").join(name), "{}").unwrap();
    for name in ["05-readme.txt", "20-later.conflist", ".00-hidden.swp"] {
        other(name);
    }
    assert_eq!(node.step(State::Reconciled, 9).foreign, None);
    other("05-other.conflist");
    let foreign = node.step(State::Reconciled, 9).foreign.unwrap();
    assert!(foreign.ends_with("05-other.conflist") && foreign.exists());
}

#[test]
fn the_list_has_what_pods_need() {
    let directory = tempfile::tempdir().unwrap();
    let list = |config: Value| conflist("pods", &config, directory.path()).unwrap();
    let ours =
        json!({"bridge": "gingham0", "ipMasq": false, "ipam": {"policy": "weave-split", "range": "10.32.0.0/12"}});
    let written = list(ours.clone());
    assert_eq!(
        written,
        json!({"cniVersion": "1.0.0", "name": "pods", "publishedBy": "gingham-node", "plugins": [{
            "type": "gingham", "bridge": "gingham0", "isDefaultGateway": true, "ipMasq": false, "hairpinMode": true,
            "ipam": {"type": "gingham", "policy": "weave-split", "range": "10.32.0.0/12",
                     "cluster": {"store": "kubernetes"}}}]})
    );
    fs::write(directory.path().join("portmap"), "").unwrap();
    assert_eq!(list(ours)["plugins"][1], json!({"type": "portmap", "capabilities": {"portMappings": true}}));
    let wrong = conflist("pods", &json!({"ipam": "x"}), directory.path()).unwrap_err().to_string();
    assert!(wrong.contains("spec.config: ipam is not an object"), "{wrong}");
}
