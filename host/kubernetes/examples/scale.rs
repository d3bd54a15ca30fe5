//! What a large cluster costs its API server: 1,000 nodes that join at the same moment, 4,096 blocks, and then nothing.
//!
//! `cargo run --package gingham-kubernetes --example scale [NODES [BLOCKS]]`
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use gingham_kubernetes::{
    Api, Config, KubernetesStore, Pem, Permissions, Request, Resource as Kind, SILENCE, Server, Watched,
};
use gingham_kubernetes_tests::{ControlPlane, programs, users};
use gingham_ownership::shared_store::{Call, Reply, SharedStore, StoreFault};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

const NETWORK: &str = "pods";
const PATIENCE: Duration = Duration::from_mins(5);
const STEADY: Duration = Duration::from_mins(1);
const CLAIMS: usize = 200;

const KINDS: [&str; 3] = [
    include_str!("../../../deploy/kubernetes/base/crds/addressblocks.yaml"),
    include_str!("../../../deploy/kubernetes/base/crds/addressnetworks.yaml"),
    include_str!("../../../deploy/kubernetes/base/crds/networkmembers.yaml"),
];

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse().unwrap());
    let (nodes, blocks) = (numbers.next().unwrap_or(1000), numbers.next().unwrap_or(4096));
    if !programs::has_control_plane() {
        return;
    }
    raise_descriptors();
    let plane = ControlPlane::start();
    drop(api(&plane));
    plane.kubectl().with_file(&["apply", "--validate=false"], &KINDS.join("\n---\n")).stdout();
    thread::sleep(Duration::from_secs(3));
    joins(&plane, nodes);
    fill(&plane, nodes, blocks);
    lists(&plane);
    steady(&plane, blocks);
}

/// Each of a thousand clients has a connection and what waits for it.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

fn api(plane: &ControlPlane) -> Api {
    let token = plane.directory().join("token");
    if !token.exists() {
        std::fs::write(&token, &plane.user(users::ADMIN).token).unwrap();
    }
    let config = Config {
        server: Server::parse(&plane.url()).unwrap(),
        authority: Pem::File(plane.authority().to_owned()),
        token: Some(token),
    };
    Api::new(config, Permissions::Everything)
}

fn store(plane: &ControlPlane) -> KubernetesStore {
    KubernetesStore::new(api(plane), NETWORK).unwrap()
}

fn block(number: usize, owner: usize) -> Call {
    let key = format!("blocks/10.{}.{}.0-24", 32 + number / 256, number % 256);
    create(&key, &json!({"owner": format!("node-{owner}"), "incarnation": 1}))
}

fn create(key: &str, value: &Value) -> Call {
    Call::Create { key: key.to_owned(), value: value.to_string().into_bytes() }
}

/// Each node has a connection of its own: it reads all records, becomes a member and claims a block.
fn joins(plane: &ControlPlane, nodes: usize) {
    let everyone = Arc::new(Barrier::new(nodes + 1));
    let joining: Vec<_> = (0..nodes)
        .map(|node| {
            let (mut store, everyone) = (store(plane), Arc::clone(&everyone));
            let work = move || {
                everyone.wait();
                let start = Instant::now();
                let tries = join(&mut store, node);
                (start.elapsed(), tries)
            };
            thread::Builder::new().stack_size(1 << 19).spawn(work).unwrap()
        })
        .collect();
    everyone.wait();
    let start = Instant::now();
    let done: Vec<_> = joining.into_iter().map(|node| node.join().unwrap()).collect();
    let again: usize = done.iter().map(|(_, tries)| tries).sum();
    let times = done.into_iter().map(|(time, _)| time).collect();
    println!(
        "{nodes} joins together: {:.1} s in all, {} ({again} calls repeated)",
        start.elapsed().as_secs_f64(),
        quantiles(times)
    );
}

/// Returns how many calls had to be repeated.
fn join(store: &mut KubernetesStore, node: usize) -> usize {
    let name = format!("node-{node}");
    let config = json!({"schema": 1, "grids": [{"range": "10.32.0.0/12", "blockLength": 24}], "policy": "weave-split"});
    let member = json!({
        "machine": name, "disk": name, "boot": name, "incarnation": 1, "fenced": 0, "membership": "member",
        "address": "192.0.2.1", "mac": null, "since": 1,
    });
    let calls = [
        Call::List { prefix: String::new() },
        create("config", &config),
        create(&format!("members/{name}"), &member),
        block(node, node),
        Call::Get { key: format!("members/{name}") },
    ];
    calls.iter().map(|call| done(store, call)).sum()
}

fn done(store: &mut KubernetesStore, call: &Call) -> usize {
    let mut again = 0;
    loop {
        match store.call(call, Instant::now() + PATIENCE) {
            Reply::Unknown(_) | Reply::Refused(StoreFault::Unreachable(_)) => again += 1,
            Reply::Refused(fault) => panic!("{call:?}: {fault}"),
            _ => return again,
        }
    }
}

fn fill(plane: &ControlPlane, nodes: usize, blocks: usize) {
    let start = Instant::now();
    thread::scope(|scope| {
        for part in 0..16 {
            scope.spawn(move || {
                let mut store = store(plane);
                for number in (nodes..blocks).filter(|number| number % 16 == part) {
                    done(&mut store, &block(number, number % nodes));
                }
            });
        }
    });
    let (claims, seconds) = (blocks.saturating_sub(nodes), start.elapsed().as_secs_f64());
    println!("{claims} claims by 16 clients: {seconds:.1} s");
}

fn lists(plane: &ControlPlane) {
    let (api, mut store) = (api(plane), store(plane));
    for resource in [Kind::blocks(), Kind::members()] {
        let start = Instant::now();
        let answer = api.request(&Request::get(resource.path()), start + PATIENCE).unwrap();
        let (bytes, millis) = (answer.body.len(), start.elapsed().as_millis());
        println!("list of {}: {bytes} bytes, {millis} ms in one page", resource.plural);
    }
    let mut times = Vec::new();
    for _ in 0..10 {
        let start = Instant::now();
        let reply = store.call(&Call::List { prefix: String::new() }, start + PATIENCE);
        let Reply::Listed { records, .. } = reply else { panic!("not listed: {reply:?}") };
        times.push(start.elapsed());
        assert!(!records.is_empty());
    }
    println!("list of all records, one moment, in pages: {}", quantiles(times));
}

fn steady(plane: &ControlPlane, blocks: usize) {
    let (api, mut store) = (api(plane), store(plane));
    let start = Instant::now();
    let watched = Watched::start(&api, NETWORK, SILENCE).unwrap();
    watched.wait_until_listed(PATIENCE).unwrap();
    println!("first snapshot of an agent: {} ms", start.elapsed().as_millis());
    let times = (blocks..blocks + CLAIMS)
        .map(|number| {
            let start = Instant::now();
            let changes = watched.signal().changes();
            done(&mut store, &block(number, 0));
            watched.signal().wait(changes, PATIENCE);
            start.elapsed()
        })
        .collect();
    println!("from the beginning of a claim to its event at an agent: {}", quantiles(times));
    let log = plane.audit_log().from_now();
    thread::sleep(STEADY);
    let requests = log.requests(users::ADMIN);
    println!("requests of an agent in {} s without changes: {requests:?}", STEADY.as_secs());
}

fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    format!("p50 {:.1} ms, p99 {:.1} ms", at(50), at(99))
}
