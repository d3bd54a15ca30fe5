//! What an operator does on a node, with the real programs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "operators/check_config.rs"]
mod check_config;
#[path = "operators/hostile_names.rs"]
mod hostile_names;
#[path = "operators/owners.rs"]
mod owners;
#[path = "operators/run.rs"]
mod run;
#[path = "operators/status.rs"]
mod status;

use std::fs;

use gingham_tests::node::Node;
use serde_json::Value;

/// Where configurations are.
const CONFIG_DIR: &str = "/run/net.d";

/// A node with configurations.
fn node_with(networks: &[Value]) -> Node {
    let node = Node::new();
    fs::create_dir(CONFIG_DIR).unwrap();
    for network in networks {
        fs::write(format!("{CONFIG_DIR}/{}.conf", network["name"].as_str().unwrap()), network.to_string()).unwrap();
    }
    node
}
