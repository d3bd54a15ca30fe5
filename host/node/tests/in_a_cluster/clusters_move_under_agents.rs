//! A cluster moves from etcd to the Kubernetes API and back while the agents of its nodes run, and while containers come and go: no
//! address is in use twice, no running container loses its own, and nothing but a wait is asked of a runtime.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gingham_kubernetes_tests::programs;
use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::{Said, ctl};
use gingham_tests::node::Container;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::kubernetes_is_the_store::{Cluster, until_ready};
use crate::testbed::{Agent, PATIENCE};

/// Containers of a node at one moment.
const PODS: usize = 4;

/// What runtimes do on both nodes, each with the configuration that its node has at the moment.
pub(crate) struct Load<'c> {
    cluster: &'c Cluster,
    configs: [Mutex<Value>; 2],
    /// Who uses which address.
    users: Mutex<BTreeMap<String, String>>,
    adds: [AtomicUsize; 2],
    waits: AtomicUsize,
    is_over: AtomicBool,
}

impl<'c> Load<'c> {
    pub(crate) fn new(cluster: &'c Cluster, configs: [Value; 2]) -> Self {
        Self {
            cluster,
            configs: configs.map(Mutex::new),
            users: Mutex::default(),
            adds: Default::default(),
            waits: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    fn config(&self, node: usize) -> Value {
        self.configs[node - 1].lock().unwrap().clone()
    }

    /// Does `work` while runtimes attach and detach containers on both nodes.
    pub(crate) fn beside(&self, work: impl FnOnce()) {
        thread::scope(|scope| {
            let runtimes = [1, 2].map(|node| scope.spawn(move || self.run(node)));
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            self.is_over.store(true, Ordering::Relaxed);
            // The reason of a runtime that failed comes before that of who waited for it.
            runtimes.into_iter().for_each(|runtime| runtime.join().unwrap());
            ended.unwrap();
        });
    }

    fn run(&self, node: usize) {
        let mut pods: Vec<(Container, String)> = Vec::new();
        for number in 0.. {
            if self.is_over.load(Ordering::Relaxed) {
                pods.into_iter().for_each(|pod| self.del(node, pod));
                return;
            }
            let id = format!("load-{node}-{number}");
            match self.add(node, &id) {
                Some(pod) => pods.push(pod),
                None => thread::sleep(Duration::from_millis(300)),
            }
            if pods.len() > PODS {
                self.del(node, pods.remove(0));
            }
        }
    }

    fn add(&self, node: usize, id: &str) -> Option<(Container, String)> {
        let config = self.config(node);
        let (container, outcome) = self.cluster.testbed.nodes.node(node).on(|node| {
            let container = node.container(id);
            let outcome = Cni::add(&config, &container).run();
            (container, outcome)
        });
        if !outcome.is_success() {
            let fault = outcome.fault();
            assert_eq!(fault.code, 11, "a runtime that waits and tries again is right: {fault:?}");
            self.waits.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let given = address(&outcome.result());
        let other = self.users.lock().unwrap().insert(given.clone(), id.to_owned());
        assert_eq!(other, None, "{given} of {id} is in use");
        self.adds[node - 1].fetch_add(1, Ordering::Relaxed);
        Some((container, given))
    }

    fn del(&self, node: usize, (container, given): (Container, String)) {
        let config = self.config(node);
        self.users.lock().unwrap().remove(&given);
        self.cluster.testbed.nodes.node(node).on(|_| Cni::del(&config, &container).run().succeeds());
    }

    /// Waits for ADDs that succeed on both nodes from now on.
    pub(crate) fn until_served(&self) {
        let before = [0, 1].map(|node| self.adds[node].load(Ordering::Relaxed));
        let deadline = Instant::now() + PATIENCE;
        while (0..2).any(|node| self.adds[node].load(Ordering::Relaxed) < before[node] + PODS) {
            assert!(Instant::now() < deadline, "no ADDs: {before:?} and {:?}", self.adds);
            thread::sleep(Duration::from_millis(100));
        }
    }
}

pub(crate) fn in_etcd(cluster: &Cluster, node: usize) -> Value {
    let name = &cluster.testbed.nodes.node(node).name;
    let store = json!({"store": "etcd", "endpoints": cluster.plane.etcd_endpoints(), "directory": null, "node": name,
        "lowWater": 0});
    cluster.testbed.network(node, json!({"ipam": {"range": "10.32.0.0/24", "blockSize": 28, "cluster": store}}))
}

pub(crate) fn migrate(cluster: &Cluster, arguments: &[&str]) -> Said {
    let arguments = arguments_of_move(cluster, arguments);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    cluster.testbed.nodes.node(1).on(|_| ctl(&arguments))
}

/// With the configuration of before, as an operator has it in both directions.
pub(crate) fn arguments_of_move(cluster: &Cluster, arguments: &[&str]) -> Vec<String> {
    let directory = cluster.testbed.path("etcd.d");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("10-net.conf"), in_etcd(cluster, 1).to_string()).unwrap();
    let (url, directory) = (cluster.plane.url(), directory.to_str().unwrap().to_owned());
    let (authority, token) = (cluster.plane.authority().to_str().unwrap(), cluster.token.to_str().unwrap());
    let access = ["--config-dir", &directory, "--kube-server", &url, "--kube-ca", authority, "--kube-token", token];
    [&["cluster", "migrate", "--yes"], arguments, &access[..]].concat().into_iter().map(str::to_owned).collect()
}

/// As an operator switches a node.
pub(crate) fn switch(load: &Load<'_>, node: usize, agent: &mut Agent, config: Value) {
    let name = &load.cluster.testbed.nodes.node(node).name;
    let file = load.cluster.testbed.path(&format!("{name}.d/10-net.conf"));
    std::fs::write(file, config.to_string()).unwrap();
    *load.configs[node - 1].lock().unwrap() = config;
    kill_process(Pid::from_child(&agent.child), Signal::HUP).unwrap();
}

pub(crate) fn until_reconciled(agent: &Agent) {
    let deadline = Instant::now() + PATIENCE;
    while !agent.ask("/healthz").contains("net: reconciled") {
        assert!(Instant::now() < deadline, "{}\n{}", agent.ask("/healthz"), agent.log());
        thread::sleep(Duration::from_millis(100));
    }
}

/// Each address in use lies in a block that the API records as its node's.
pub(crate) fn is_consistent(load: &Load<'_>) {
    let blocks = load.cluster.plane.kubectl().get(&["addressblocks"]);
    let blocks: Vec<(ipnet::IpNet, String)> = blocks["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| {
            let text = |key: &str| block["spec"][key].as_str().unwrap().to_owned();
            (text("cidr").parse().unwrap(), text("owner"))
        })
        .collect();
    let users = load.users.lock().unwrap();
    assert!(!users.is_empty());
    for (address, user) in users.iter() {
        let address: std::net::IpAddr = address.parse().unwrap();
        let owner = &blocks.iter().find(|(block, _)| block.contains(&address)).unwrap().1;
        assert!(user.starts_with(&owner.replace("node-", "load-")), "{address} of {user} is in a block of {owner}");
    }
}

pub(crate) fn until_joined_after(cluster: &Cluster, node: usize, incarnation: Option<u64>, agent: &Agent) {
    let deadline = Instant::now() + PATIENCE;
    while cluster.member(&format!("node-{node}"))["incarnation"].as_u64() <= incarnation {
        assert!(Instant::now() < deadline, "{}", agent.log());
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn agents_follow_a_move_there_and_back_while_containers_come_and_go() {
    if !programs::has_control_plane() {
        return;
    }
    let cluster = Cluster::new();
    let configs = [1, 2].map(|node| in_etcd(&cluster, node));
    let mut agents = [1, 2].map(|node| cluster.agent_with(node, &configs[node - 1], &["--interval", "1"]));
    agents.iter_mut().for_each(until_ready);
    let load = Load::new(&cluster, configs.clone());
    // A container that stays all the time.
    let stays = load.add(1, "load-1-stays").unwrap();
    load.beside(|| {
        load.until_served();
        let moved = migrate(&cluster, &["--to", "kubernetes"]).done();
        assert!(moved.contains("done; kubernetes was compared with etcd"), "{moved}");
        // Where nothing has switched yet, pods start in the blocks that the nodes hold.
        load.until_served();
        for node in [1, 2] {
            let incarnation = cluster.member(&format!("node-{node}"))["incarnation"].as_u64();
            switch(&load, node, &mut agents[node - 1], cluster.network(node));
            until_joined_after(&cluster, node, incarnation, &agents[node - 1]);
            until_reconciled(&agents[node - 1]);
            load.until_served();
        }
        is_consistent(&load);

        let back = migrate(&cluster, &["--to", "etcd"]).done();
        assert!(back.contains("done; etcd was compared with kubernetes"), "{back}");
        for node in [1, 2] {
            switch(&load, node, &mut agents[node - 1], configs[node - 1].clone());
            until_reconciled(&agents[node - 1]);
            load.until_served();
        }
    });
    let config = load.config(1);
    let (container, address) = &stays;
    let leases = cluster.testbed.leases(1);
    assert!(leases.iter().any(|lease| lease.contains(address.as_str())), "{address}: {leases:?}");
    cluster.testbed.nodes.node(1).on(|_| Cni::del(&config, container).run().succeeds());
}
