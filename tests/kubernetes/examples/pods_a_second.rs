//! How fast pods get addresses in a cluster, with Gingham beside the reference plugins:
//!
//! `GINGHAM_PROGRAMS=DIRECTORY cargo run -p gingham-kubernetes-tests --example kubernetes-pods-a-second -- [PODS [ROUNDS [BRIDGE]]]`, as
//! root. BRIDGE selects one of the networks, such as `kube0`: with `50 20 kube0` a thousand pods come and go with the store `kubernetes`.
//!
//! Seconds of processor are worth more than times where the machine has other work: `containerd's children` are the plugins
//! and runc's shims.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot go on has failed")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "what is printed is rounded")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gingham_kubernetes_tests::agent_account::USER;
use gingham_kubernetes_tests::audit_log::AuditLog;
use gingham_kubernetes_tests::command::until;
use gingham_kubernetes_tests::load::deployment;
use gingham_kubernetes_tests::node::daemons::{AGENT, CONTAINERD};
use gingham_kubernetes_tests::usage::Usage;
use gingham_kubernetes_tests::{Cluster, Programs, cluster};
use serde_json::{Value, json};

const TIMEOUT: Duration = Duration::from_mins(5);

fn main() {
    assert!(cluster::can_start(), "something is missing");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments.get(index).map(|text| text.parse().expect("a number"));
    let (pods, rounds) = (number(0).unwrap_or(60), number(1).unwrap_or(2));
    let directory = PathBuf::from(std::env::var_os("GINGHAM_PROGRAMS").expect("GINGHAM_PROGRAMS names a directory"));
    let program = |name: &str| directory.join(name);
    let programs = Programs { plugin: program("gingham"), ctl: program("ginghamctl"), agent: program("gingham-node") };
    let mut cluster = Cluster::start(1, &programs);
    cluster.admit_agents();
    let etcd = json!({"store": "etcd", "endpoints": cluster.control_plane.etcd_endpoints()});
    let kubernetes = json!({"store": "kubernetes"});
    let networks = [
        ("bridge + host-local (reference)", bridge("bridge", "ref0", "10.10.0.0/22")),
        ("gingham + host-local", bridge("gingham", "own0", "10.20.0.0/22")),
        ("gingham + weave-split, etcd", weave_split("pods0", "10.32.0.0/12", &etcd)),
        ("gingham + weave-split, kubernetes", weave_split("kube0", "10.64.0.0/12", &kubernetes)),
    ];
    let is_selected = |plugin: &Value| arguments.get(2).is_none_or(|bridge| plugin["bridge"] == *bridge);
    let mut total = BTreeMap::new();
    for round in 1..=rounds {
        for (name, plugin) in networks.iter().filter(|(_, plugin)| is_selected(plugin)) {
            let network = json!({"cniVersion": "1.0.0", "name": plugin["bridge"], "plugins": [plugin]});
            cluster.configure(&network.to_string());
            if plugin["ipam"]["cluster"].is_object() && !cluster.nodes[0].runs(AGENT) {
                cluster.nodes[0].start(AGENT);
            }
            // containerd reads the directory when it is told of a change.
            std::thread::sleep(Duration::from_secs(3));
            if plugin["ipam"]["cluster"]["store"] == "kubernetes" {
                wait_joined(&cluster, plugin["bridge"].as_str().unwrap());
            }
            for (call, count) in measure(&cluster, round, name, pods) {
                *total.entry((*name, call)).or_insert(0) += count;
            }
        }
    }
    for ((name, call), count) in total {
        println!("{name}, {} pods in all: the agent called {call} {count} times", pods * rounds);
    }
}

/// Before, an ADD would be refused.
fn wait_joined(cluster: &Cluster, network: &str) {
    until("the node is a member", TIMEOUT, || {
        let asked = cluster.kubectl().run(&["get", "networkmembers", &format!("{network}.node-1")]);
        if asked.is_success() { Ok(()) } else { Err(asked.refusal()) }
    });
}

/// Returns the agent's calls of the API.
fn measure(cluster: &Cluster, round: usize, name: &str, pods: usize) -> Vec<(String, usize)> {
    let begin = log_position(cluster);
    let usage = |daemon: &str| cluster.nodes[0].runs(daemon).then(|| Usage::of(cluster.nodes[0].process(daemon)));
    let (agent, containerd) = (usage(AGENT), usage(CONTAINERD).unwrap());
    let audit = cluster.control_plane.audit_log().from_now();
    let start = Instant::now();
    cluster.kubectl().apply(&deployment(pods).to_string());
    cluster.wait_running("app=load", pods, TIMEOUT);
    let up = start.elapsed().as_secs_f64();
    cluster.kubectl().run(&["delete", "deployment", "load"]).stdout();
    cluster.wait_running("app=load", 0, TIMEOUT);
    let down = start.elapsed().as_secs_f64() - up;
    let mut sandboxes = sandbox_milliseconds(&cluster.nodes[0].disk().with_extension("containerd.log"), begin);
    sandboxes.sort_unstable();
    let at = |share: usize| sandboxes.get((sandboxes.len() * share / 100).min(sandboxes.len().saturating_sub(1)));
    let plugins = usage(CONTAINERD).unwrap().children - containerd.children;
    println!(
        "round {round}, {name}: {pods} pods in {up:.1} s ({:.1} a second), gone in {down:.1} s; RunPodSandbox p50 {:?} ms, p99 \
         {:?} ms of {}; containerd's children {:.1} ms of processor for each pod, up and down",
        pods as f64 / up,
        at(50),
        at(99),
        sandboxes.len(),
        plugins * 1000.0 / pods as f64,
    );
    let calls = calls(&audit);
    if let (Some(before), Some(after)) = (agent, usage(AGENT)) {
        let processor = after.own - before.own;
        println!(
            "    agent: {processor:.2} s of processor, {} KiB resident; its calls of the API: {calls:?}",
            after.resident
        );
    }
    calls
}

/// `VERB RESOURCE` and how often while the pods came and went.
fn calls(audit: &AuditLog) -> Vec<(String, usize)> {
    let counted = audit.requests(USER).into_iter();
    counted.map(|(kind, count)| (format!("{} {}", kind.verb, kind.resource), count)).collect()
}

fn log_position(cluster: &Cluster) -> usize {
    fs::metadata(cluster.nodes[0].disk().with_extension("containerd.log")).map_or(0, |file| file.len() as usize)
}

/// From containerd's `RunPodSandbox for …` to its `… returns sandbox id`.
fn sandbox_milliseconds(log: &std::path::Path, begin: usize) -> Vec<i64> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let mut begun = BTreeMap::new();
    let mut took = Vec::new();
    for line in text.get(begin..).unwrap_or_default().lines().filter(|line| line.contains("RunPodSandbox for ")) {
        let Some(pod) = line.split("&PodSandboxMetadata{Name:").nth(1).and_then(|rest| rest.split(',').next()) else {
            continue;
        };
        let at = time(line);
        if line.contains("returns sandbox id") {
            took.extend(begun.remove(pod).map(|before: i64| at - before));
        } else if !line.contains("level=error") {
            begun.insert(pod.to_owned(), at);
        }
    }
    took
}

/// Milliseconds of the day, of `time="2026-11-29T04:47:39.659310872Z"`.
fn time(line: &str) -> i64 {
    let clock = line.split('T').nth(1).and_then(|rest| rest.split('Z').next()).unwrap_or_default();
    let mut parts = clock.split(':').map(|part| part.parse::<f64>().unwrap_or_default());
    let mut next = || parts.next().unwrap_or_default();
    let seconds = next() * 3600.0 + next() * 60.0 + next();
    (seconds * 1000.0) as i64
}

fn bridge(kind: &str, bridge: &str, subnet: &str) -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": subnet}]], "routes": [{"dst": "0.0.0.0/0"}]});
    json!({"type": kind, "bridge": bridge, "isGateway": true, "ipMasq": true, "ipam": ipam})
}

fn weave_split(bridge: &str, range: &str, store: &Value) -> Value {
    let ipam = json!({"type": "gingham", "policy": "weave-split", "range": range, "cluster": store});
    json!({"type": "gingham", "bridge": bridge, "isGateway": true, "isDefaultGateway": true, "ipMasq": true, "ipam": ipam})
}
