//! Every network configuration of README and docs works as printed: its pod reaches what is beyond the node.

use std::fs;
use std::path::{Path, PathBuf};

use gingham_tests::ctl::ctl;
use gingham_tests::kernel::{self, Beyond};
use serde_json::{Value, json};

use crate::containerd::Containerd;
use crate::cri::{Kubelet, Pod};
use crate::host;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// The blocks of JSON that are whole configurations: they have a name.
fn documented() -> Vec<(String, Value)> {
    let docs = fs::read_dir(workspace().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    files.push(workspace().join("README.md"));
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for block in text.split("```json\n").skip(1) {
            // A block of a list is indented.
            let lines = block.lines().take_while(|line| !line.trim_start().starts_with("```"));
            let block = &lines.collect::<Vec<_>>().join("\n");
            let value: Value =
                serde_json::from_str(block).unwrap_or_else(|error| panic!("{}: {error}: {block}", file.display()));
            if value["name"].is_string() {
                found.push((file.display().to_string(), value));
            }
        }
    }
    found
}

/// What a reader puts in its place: the cluster's store, and a policy of one's own.
fn on_this_machine(mut network: Value) -> Value {
    if network["ipam"]["cluster"].is_object() {
        fs::create_dir("/run/tmp/cluster").unwrap();
        // Here no default route says at which address other nodes reach this one.
        network["ipam"]["cluster"] =
            json!({"store": "directory", "directory": "/run/tmp/cluster", "address": "192.0.2.1"});
    }
    if network["ipam"]["policy"] == "my-policy" {
        // All languages begin with the same policy; this one needs no compiler.
        ctl(&["policy", "new", "my-policy", "--lang", "js", "--dir", "/run/tmp/my-policy"]).done();
        ctl(&["policy", "add", "/run/tmp/my-policy"]).done();
    }
    network
}

#[test]
fn every_documented_configuration_serves_pods_that_reach_the_world() {
    if !host::has_containerd() {
        return;
    }
    let configurations = documented();
    assert!(configurations.len() >= 4, "{configurations:?}");
    for (file, network) in configurations {
        // A node is its thread's: the next one begins without what is mounted on this one.
        let served = std::thread::spawn(move || serves_a_pod(&file, network)).join();
        served.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
}

fn serves_a_pod(file: &str, network: Value) {
    let _node = host::host();
    let beyond = Beyond::v4();
    let kind = if network["plugins"].is_array() { "conflist" } else { "conf" };
    let text = on_this_machine(network).to_string();
    fs::write(Path::new(host::NETWORKS).join(format!("10-documented.{kind}")), &text).unwrap();
    let _containerd = Containerd::start();
    let kubelet = Kubelet::new();
    let id = kubelet.run(&Pod::new("team-a", "web")).unwrap_or_else(|error| panic!("{file}: {text}: {error:?}"));
    let running = kubelet.running(&id);
    let seen = kernel::seen_from_beyond(&running.container, &beyond);
    assert_eq!(seen.to_string(), beyond.node.to_string(), "{file}: {text}: masqueraded as the node");
    kubelet.take_away(&[id]);
}
