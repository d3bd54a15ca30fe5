//! Which capabilities the agent needs: the manifests are applied with each of them left out, and what is seen is printed.
//!
//! `GINGHAM_PROGRAMS=DIRECTORY cargo run -p gingham-kubernetes-tests --example kubernetes-capabilities`, as root.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gingham_kubernetes_tests::cluster::{self, condition, items};
use gingham_kubernetes_tests::image::BUSYBOX;
use gingham_kubernetes_tests::node::pods::server;
use gingham_kubernetes_tests::{Cluster, Node, Programs};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

const MANIFEST: &str = include_str!("../../../deploy/kubernetes/gingham.yaml");
const CAPABILITIES: [&str; 3] = ["NET_ADMIN", "SETUID", "SETGID"];

const POLICY: &str = "hashed";

/// Several times what an installation with everything takes, which is printed first.
const TIMEOUT: Duration = Duration::from_mins(2);

fn main() {
    assert!(cluster::can_start(), "something is missing");
    assert!(MANIFEST.contains(&added(&CAPABILITIES)), "the manifest adds other capabilities");
    let directory = PathBuf::from(std::env::var_os("GINGHAM_PROGRAMS").expect("GINGHAM_PROGRAMS names a directory"));
    let program = |name: &str| directory.join(name);
    let programs = Programs { plugin: program("gingham"), ctl: program("ginghamctl"), agent: program("gingham-node") };
    let policy = policy();
    let left_out: [&[&str]; 4] = [&[], &["NET_ADMIN"], &["SETUID"], &["SETUID", "SETGID"]];
    for left_out in left_out {
        let others: Vec<&str> = CAPABILITIES.into_iter().filter(|capability| !left_out.contains(capability)).collect();
        print_with(&others, &programs, &policy);
    }
}

fn added(capabilities: &[&str]) -> String {
    format!("add: [{}]", capabilities.join(", "))
}

fn print_with(capabilities: &[&str], programs: &Programs, policy: &Value) {
    println!("{}", added(capabilities));
    let cluster = Cluster::start(2, programs);
    cluster.import_gingham();
    let manifest = MANIFEST.replace(&added(&CAPABILITIES), &added(capabilities));
    cluster.kubectl().with_file(&["apply", "--validate=false"], &manifest).stdout();
    for object in [&deployment(), policy] {
        cluster.kubectl().apply(&object.to_string());
    }
    print_pods(&cluster);
    print_conditions(&cluster);
    cluster.kubectl().run(&["delete", "deployment", "web"]).stdout();
    println!("    leases of deleted pods: {}", seen_within(0, || leases(&cluster)));
    for line in cluster.nodes.iter().flat_map(warnings).collect::<BTreeSet<_>>() {
        println!("    {line}");
    }
}

/// Asks until it is `wanted` or time is up, and says what is there then.
fn seen_within(wanted: usize, mut ask: impl FnMut() -> usize) -> String {
    let start = Instant::now();
    loop {
        let seen = ask();
        if seen == wanted || start.elapsed() > TIMEOUT {
            return format!("{seen}, after {:.0} s", start.elapsed().as_secs_f64());
        }
        thread::sleep(Duration::from_secs(1));
    }
}

fn print_pods(cluster: &Cluster) {
    println!("    pods that run, of 4: {}", seen_within(4, || running(cluster).len()));
    println!("    policies that serve, of 1: {}", seen_within(1, || serving(cluster)));
    let members = items(cluster.kubectl().get(&["networkmembers"]));
    println!(
        "    {}",
        members.iter().map(|member| member["status"]["policies"].to_string()).collect::<Vec<_>>().join(" ")
    );
    let pods = running(cluster);
    let [one, other] = ["node-1", "node-2"].map(|node| pods.iter().find(|pod| pod["spec"]["nodeName"] == node));
    if let (Some(one), Some(other)) = (one, other) {
        let address = server(other["status"]["podIP"].as_str().unwrap(), 80);
        let asked = cluster.nodes[0].ask_from_pod(one["metadata"]["name"].as_str().unwrap(), address);
        println!("    a pod asks one of the other node: {}", asked.unwrap_or_else(|error| error));
    }
}

fn print_conditions(cluster: &Cluster) {
    for node in items(cluster.kubectl().get(&["nodes"])) {
        let is_ours = |condition: &&Value| condition["type"].as_str().unwrap_or_default().starts_with("gingham.dev/");
        for found in node["status"]["conditions"].as_array().unwrap().iter().filter(is_ours) {
            println!(
                "    {}: {} is {}: {}",
                node["metadata"]["name"], found["type"], found["status"], found["message"]
            );
        }
    }
}

fn running(cluster: &Cluster) -> Vec<Value> {
    let pods = items(cluster.kubectl().get(&["pods", "--selector=app=web"]));
    pods.into_iter().filter(|pod| condition(pod, "Ready") == Some("True")).collect()
}

fn serving(cluster: &Cluster) -> usize {
    usize::from(condition(&cluster.kubectl().get(&["allocationpolicies", POLICY]), "Serving") == Some("True"))
}

fn leases(cluster: &Cluster) -> usize {
    let of_node = |node: &Node| {
        let report = node.ctl(&["leases", "--json"]).json();
        report["leases"].as_array().unwrap().iter().filter(|lease| lease["pod"].is_object()).count()
    };
    cluster.nodes.iter().map(of_node).sum()
}

/// What the agents of a node logged, without times.
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

/// The agent compiles it as another user.
fn policy() -> Value {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let component = gingham_build::build_policy(&workspace.join("policies").join(POLICY)).unwrap().bytes;
    let digest: String = digest(&SHA256, &component).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "apiVersion": "gingham.dev/v1alpha1", "kind": "AllocationPolicy", "metadata": {"name": POLICY},
        "spec": {"digest": format!("sha256:{digest}"), "source": {"inline": STANDARD.encode(component)}},
    })
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
