//! What an agent costs its node with 150 pods and with 1,000 members: memory, processor and calls of the API in a quiet minute.
//!
//! `GINGHAM_PROGRAMS=DIRECTORY cargo run -p gingham-kubernetes-tests --example kubernetes-agent-costs -- [PODS [MEMBERS]]`, as
//! root.
//!
//! Members beyond the first are objects without machines: each has a Node, its part of the range's 4,096 blocks, and an address on
//! the link.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot go on has failed")]

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use gingham_kubernetes_tests::agent_account::USER;
use gingham_kubernetes_tests::cluster::{self, items};
use gingham_kubernetes_tests::command::until;
use gingham_kubernetes_tests::load::deployment;
use gingham_kubernetes_tests::node::daemons::AGENT;
use gingham_kubernetes_tests::usage::Usage;
use gingham_kubernetes_tests::{Cluster, Programs};
use serde_json::{Value, json};

const TIMEOUT: Duration = Duration::from_mins(10);
const QUIET: Duration = Duration::from_mins(1);
/// Of the range.
const BLOCKS: usize = 4096;
const NETWORK: &str = "kube";

fn main() {
    assert!(cluster::can_start(), "something is missing");
    let mut numbers = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let (pods, members) = (numbers.next().unwrap_or(150), numbers.next().unwrap_or(1000));
    let directory = PathBuf::from(std::env::var_os("GINGHAM_PROGRAMS").expect("GINGHAM_PROGRAMS names a directory"));
    let program = |name: &str| directory.join(name);
    let programs = Programs { plugin: program("gingham"), ctl: program("ginghamctl"), agent: program("gingham-node") };
    let mut cluster = Cluster::start(1, &programs);
    cluster.admit_agents();
    let ipam = json!({"type": "gingham", "policy": "weave-split", "range": "10.64.0.0/12", "cluster": {"store": "kubernetes"}});
    let plugin =
        json!({"type": "gingham", "bridge": "kube0", "isGateway": true, "isDefaultGateway": true, "ipam": ipam});
    cluster.configure(&json!({"cniVersion": "1.0.0", "name": NETWORK, "plugins": [plugin]}).to_string());
    cluster.nodes[0].start(AGENT);
    cluster.kubectl().apply(&deployment(1).to_string());
    cluster.wait_running("app=load", 1, TIMEOUT);
    print_quiet_minute(&cluster, "1 pod, 1 member");

    cluster.kubectl().run(&["scale", "deployment", "load", &format!("--replicas={pods}")]).stdout();
    cluster.wait_running("app=load", pods, TIMEOUT);
    print_quiet_minute(&cluster, &format!("{pods} pods, 1 member"));

    add_members(&cluster, members);
    let start = Instant::now();
    let others = BLOCKS - 1;
    until("the node has a route to each block", TIMEOUT, || match routes(&cluster) {
        count if count == others => Ok(()),
        count => Err(format!("{count} routes")),
    });
    println!("{others} routes {:.1} s after the last object was made", start.elapsed().as_secs_f64());
    print_quiet_minute(&cluster, &format!("{pods} pods, {members} members, {BLOCKS} blocks"));
}

/// A minute after a while in which what was begun is ended.
fn print_quiet_minute(cluster: &Cluster, what: &str) {
    thread::sleep(Duration::from_secs(10));
    let agent = || Usage::of(cluster.nodes[0].process(AGENT));
    let (before, audit) = (agent(), cluster.control_plane.audit_log().from_now());
    thread::sleep(QUIET);
    let after = agent();
    println!(
        "{what}: {} KiB resident, {} KiB proportional, {:.2} s of processor in a minute; calls: {:?}",
        after.resident,
        after.proportional,
        after.own - before.own,
        audit.requests(USER),
    );
}

/// Objects like those of the one node, so that together there are so many members.
fn add_members(cluster: &Cluster, count: usize) {
    let kubectl = cluster.kubectl();
    let member = kubectl.get(&["networkmembers", &format!("{NETWORK}.node-1")]);
    let block = items(kubectl.get(&["addressblocks"])).remove(0);
    let own = block["spec"]["cidr"].as_str().unwrap();
    let cidrs = (0..BLOCKS).map(|number| format!("10.{}.{}.0/24", 64 + number / 256, number % 256));
    let cidrs: Vec<String> = cidrs.filter(|cidr| cidr != own).collect();
    let others = count - 1;
    // Adjacent blocks of one member would share a route.
    let of_one = |one: usize| cidrs.iter().skip(one).step_by(others).cloned().collect::<Vec<_>>();
    let objects = (0..others).flat_map(|one| of_member(&member, &block, one + 2, &of_one(one)));
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects.collect::<Vec<_>>()});
    kubectl.with_file(&["create"], &list.to_string()).stdout();
}

fn of_member(member: &Value, block: &Value, number: usize, cidrs: &[String]) -> Vec<Value> {
    let name = format!("node-{number}");
    let with = |object: &Value, name: String, spec: Value| {
        let mut all = object["spec"].as_object().unwrap().clone();
        // Of another Node object: the member would be taken over.
        all.remove("nodeUID");
        all.extend(spec.as_object().unwrap().clone());
        json!({
            "apiVersion": object["apiVersion"], "kind": object["kind"],
            "metadata": {"name": name, "labels": object["metadata"]["labels"]}, "spec": all,
        })
    };
    let text = |value: &str| format!("{value}-{number}");
    let identity = json!({
        "node": name, "machine": text("machine"), "disk": text("disk"), "boot": text("boot"),
        "address": format!("192.0.2.{}", 2 + number % 250),
    });
    let mut all = vec![
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}),
        with(member, format!("{NETWORK}.{name}"), identity),
    ];
    all.extend(cidrs.iter().map(|cidr| {
        let spec = json!({"owner": name, "claimant": name, "cidr": cidr, "incarnation": 1});
        with(block, format!("{NETWORK}.{}", cidr.replace('/', "-")), spec)
    }));
    all
}

fn routes(cluster: &Cluster) -> usize {
    let shown = cluster.nodes[0].run("/usr/bin/busybox", &["ip", "route"]).stdout();
    shown.lines().filter(|line| line.contains("/24 via 192.0.2.")).count()
}
