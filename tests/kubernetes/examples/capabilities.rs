//! Which capabilities the agent needs: it is installed with each of them left out, and what fails is printed.
//!
//! `GINGHAM_PROGRAMS=DIRECTORY cargo run -p gingham-kubernetes-tests --example kubernetes-capabilities`, as root.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use gingham_kubernetes_tests::cluster::{self, condition, items};
use gingham_kubernetes_tests::image::BUSYBOX;
use gingham_kubernetes_tests::node::pods::server;
use gingham_kubernetes_tests::{Cluster, Node, Programs};
use serde_json::{Value, json};

const MANIFEST: &str = include_str!("../../../deploy/kubernetes/gingham.yaml");
const ADDED: &str = "add: [NET_ADMIN, SYS_ADMIN]";

/// Longer than an installation with everything takes here.
const TIMEOUT: Duration = Duration::from_mins(2);

fn main() {
    assert!(cluster::can_start(), "something is missing");
    assert!(MANIFEST.contains(ADDED), "the manifest adds other capabilities");
    let directory = PathBuf::from(std::env::var_os("GINGHAM_PROGRAMS").expect("GINGHAM_PROGRAMS names a directory"));
    let program = |name: &str| directory.join(name);
    let programs = Programs { plugin: program("gingham"), ctl: program("ginghamctl"), agent: program("gingham-node") };
    for added in ["NET_ADMIN, SYS_ADMIN", "SYS_ADMIN", "NET_ADMIN", ""] {
        println!("added: [{added}]");
        for line in try_with(added, &programs) {
            println!("    {line}");
        }
    }
}

/// What can be seen of an installation with these capabilities.
fn try_with(added: &str, programs: &Programs) -> Vec<String> {
    let cluster = Cluster::start(2, programs);
    cluster.import_gingham();
    let manifest = MANIFEST.replace(ADDED, &format!("add: [{added}]"));
    cluster.kubectl().with_file(&["apply", "--validate=false"], &manifest).stdout();
    cluster.kubectl().apply(&deployment().to_string());
    let deadline = Instant::now() + TIMEOUT;
    let mut pods = running(&cluster);
    while pods.len() < 4 && Instant::now() < deadline {
        thread::sleep(Duration::from_secs(1));
        pods = running(&cluster);
    }
    let mut seen = vec![format!("{} of 4 pods run", pods.len())];
    if let [one, other] = [of(&pods, "node-1"), of(&pods, "node-2")].map(Option::<&_>::cloned)
        && let (Some(one), Some(other)) = (one, other)
    {
        let address = server(other["status"]["podIP"].as_str().unwrap(), 80);
        let asked = cluster.nodes[0].ask_from_pod(one["metadata"]["name"].as_str().unwrap(), address);
        seen.push(format!(
            "a pod asks one of the other node: {}",
            asked.map_or_else(|error| error, |_| "answered".into())
        ));
    }
    for node in items(cluster.kubectl().get(&["nodes"])) {
        let is_ours = |condition: &&Value| condition["type"].as_str().unwrap_or_default().starts_with("gingham.dev/");
        let conditions = node["status"]["conditions"].as_array().unwrap().iter().filter(is_ours);
        seen.extend(conditions.map(|found| format!("{} is {}: {}", found["type"], found["status"], found["message"])));
    }
    seen.extend(cluster.nodes.iter().flat_map(warnings).collect::<BTreeSet<_>>());
    seen
}

fn of<'a>(pods: &'a [Value], node: &str) -> Option<&'a Value> {
    pods.iter().find(|pod| pod["spec"]["nodeName"] == node)
}

fn running(cluster: &Cluster) -> Vec<Value> {
    let pods = items(cluster.kubectl().get(&["pods", "--selector=app=web"]));
    pods.into_iter().filter(|pod| condition(pod, "Ready") == Some("True")).collect()
}

/// What the agents of a node logged, without times, and their probes.
fn warnings(node: &Node) -> Vec<String> {
    let mut files = Vec::new();
    find(&node.disk().join("log/pods"), &mut files);
    let texts = files.iter().filter(|file| file.to_string_lossy().contains("gingham-node")).map(fs::read_to_string);
    let lines: Vec<String> =
        texts.flat_map(|text| text.unwrap().lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let messages = lines.iter().filter_map(|line| line.splitn(4, ' ').nth(3).map(str::to_owned));
    messages.filter(|message| message.contains("warn") || message.contains("error")).collect()
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { find(&path, files) } else { files.push(path) }
    }
}

fn deployment() -> Value {
    let serve = "while :; do hostname | nc -l -p 80 >/dev/null; done";
    let container =
        json!({"name": "main", "image": BUSYBOX, "imagePullPolicy": "Never", "command": ["/bin/sh", "-c", serve]});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 4, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
                "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false, "containers": [container],
            }},
        },
    })
}
