//! The Kubernetes API as the store: a real API server, two nodes, and a plugin that asks its agent for blocks.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gingham_kubernetes_tests::{ControlPlane, programs};
use gingham_tests::cni::{Cni, Fault, Outcome};
use gingham_tests::node::Container;
use gingham_tests::nodes::BETWEEN;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::testbed::{Agent, Testbed};

pub(crate) const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/kubernetes/base/crds");
pub(crate) struct Cluster {
    pub(crate) testbed: Testbed,
    pub(crate) plane: ControlPlane,
    pub(crate) token: PathBuf,
    /// So many were made to fill a node.
    pods: AtomicUsize,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let testbed = Testbed::new(2);
        let plane = ControlPlane::start_in(testbed.directory.path(), IpAddr::from(BETWEEN), &[]);
        let kubectl = plane.kubectl();
        kubectl.run(&["apply", "--validate=false", "-f", CRDS]).stdout();
        kubectl.run(&["wait", "--for=condition=Established", "crd", "--all"]).stdout();
        for node in &testbed.nodes.nodes {
            kubectl.apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name}}).to_string());
        }
        kubectl.run(&["create", "serviceaccount", "agent"]).stdout();
        let binding = ["create", "clusterrolebinding", "agent", "--clusterrole=cluster-admin"];
        kubectl.run(&[&binding[..], &["--serviceaccount=default:agent"]].concat()).stdout();
        let token = testbed.path("token");
        std::fs::write(&token, kubectl.service_account_token("default", "agent", 3600)).unwrap();
        Self { testbed, plane, token, pods: AtomicUsize::new(0) }
    }

    pub(crate) fn network(&self, node: usize) -> Value {
        let socket = self.testbed.path(&format!("{}.sock", self.testbed.nodes.node(node).name));
        let cluster =
            json!({"store": "kubernetes", "directory": null, "node": null, "agentSocket": socket, "lowWater": 0});
        let ipam = json!({"range": "10.32.0.0/24", "blockSize": 28, "cluster": cluster});
        self.testbed.network(node, json!({"ipam": ipam}))
    }

    /// An agent that reconciles once, at its start, unless the arguments say otherwise.
    pub(crate) fn agent(&self, node: usize, arguments: &[&str]) -> Agent {
        self.agent_with(node, &self.network(node), arguments)
    }

    /// With another configuration of the network, and access to the API all the same.
    pub(crate) fn agent_with(&self, node: usize, network: &Value, arguments: &[&str]) -> Agent {
        let (name, url) = (self.testbed.nodes.node(node).name.clone(), self.plane.url());
        let (authority, token) = (self.plane.authority().to_str().unwrap(), self.token.to_str().unwrap());
        let credentials = ["--kube-server", &url, "--kube-ca", authority, "--kube-token", token, "--node-name", &name];
        self.testbed.agent(node, network, &[&credentials[..], arguments].concat())
    }

    pub(crate) fn add(&self, node: usize, id: &str) -> (Container, Outcome) {
        let (network, id) = (self.network(node), id.to_owned());
        self.testbed.nodes.node(node).on(move |node| {
            let container = node.container(&id);
            let outcome = Cni::add(&network, &container).run();
            (container, outcome)
        })
    }

    /// ADDs until one is refused: its error, and how long it took.
    fn fill(&self, node: usize, pods: &mut Vec<Container>) -> (Fault, Duration) {
        for _ in 0..40 {
            let begun = Instant::now();
            // The namespace of one that was refused keeps its name.
            let number = self.pods.fetch_add(1, Ordering::Relaxed);
            let (container, outcome) = self.add(node, &format!("filling-{number}"));
            if !outcome.is_success() {
                return (outcome.fault(), begun.elapsed());
            }
            pods.push(container);
        }
        panic!("more pods than addresses");
    }

    pub(crate) fn del(&self, node: usize, container: &Container) {
        let network = self.network(node);
        self.testbed.nodes.node(node).on(|_| Cni::del(&network, container).run().succeeds());
    }

    pub(crate) fn status(&self, node: usize) -> Outcome {
        let network = self.network(node);
        self.testbed.nodes.node(node).on(|_| Cni::status(&network).run())
    }

    /// What a node's member record says.
    pub(crate) fn member(&self, node: &str) -> Value {
        let members = self.plane.kubectl().get(&["networkmembers"]);
        let mut members = members["items"].as_array().unwrap().iter();
        members.find(|member| member["spec"]["node"] == node).map(|member| member["spec"].clone()).unwrap_or_default()
    }

    /// Waits until a node was taken over by the agent of another.
    pub(crate) fn until_taken(&self, node: &str, by: &Agent) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while self.member(node)["membership"] != "taken" {
            assert!(Instant::now() < deadline, "{}", by.log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Owners of the blocks, in the order of the blocks.
    fn owners(&self) -> Vec<String> {
        let blocks = self.plane.kubectl().get(&["addressblocks"]);
        let owner = |block: &Value| block["spec"]["owner"].as_str().unwrap().to_owned();
        blocks["items"].as_array().unwrap().iter().map(owner).collect()
    }

    /// Requests of the agents so far, by verb and resource.
    fn requests(&self) -> Vec<(String, usize)> {
        let requests = self.plane.audit_log().requests("system:serviceaccount:default:agent");
        let all = requests.iter().map(|(kind, count)| (format!("{} {}", kind.verb, kind.resource), *count));
        let mut all: Vec<_> = all.filter(|(kind, _)| !kind.starts_with("watch ")).collect();
        all.sort();
        all
    }
}

fn blocks_of(cluster: &Cluster, node: &str) -> usize {
    cluster.owners().iter().filter(|owner| *owner == node).count()
}

/// Joined, with its block, and at rest.
pub(crate) fn until_ready(agent: &mut Agent) {
    agent.until("gingham_blocks", |blocks| blocks >= 1);
}

#[test]
fn a_full_node_gets_a_block_by_its_agent_and_serves_what_it_has_without() {
    if !programs::has_control_plane() {
        return;
    }
    let mut cluster = Cluster::new();
    let refused = cluster.add(1, "too-early").1.fault();
    assert_eq!(refused.code, 11, "{refused:?}");
    assert!(refused.msg.contains("gingham-node does not run on this node"), "{refused:?}");
    assert_eq!(cluster.status(1).fault().code, 50, "no block and no agent: it can serve nothing");

    let mut agents = [1, 2].map(|node| cluster.agent(node, &["--interval", "3600"]));
    agents.iter_mut().for_each(until_ready);
    let mut owners = cluster.owners();
    owners.sort();
    assert_eq!(owners, ["node-1", "node-2"]);
    let mut pods = Vec::new();
    while blocks_of(&cluster, "node-1") < 2 {
        let (container, outcome) = cluster.add(1, &format!("pod-{}", pods.len()));
        outcome.result();
        pods.push(container);
        assert!(pods.len() < 20, "the block was full before");
    }

    let [first, _second] = agents;
    first.end(Signal::KILL);
    let (refused, _) = cluster.fill(1, &mut pods);
    assert_eq!(refused.code, 11, "{refused:?}");
    assert!(refused.msg.contains("gingham-node does not run on this node"), "{refused:?}");
    cluster.status(1).succeeds();
    cluster.del(1, &pods.pop().unwrap());
    pods.push(cluster.add(1, "in-its-place").0);

    // The agent claims ahead as soon as it runs again. Then the API server is away.
    let mut first = cluster.agent(1, &["--interval", "3600"]);
    first.until("gingham_blocks", |blocks| blocks == 3);
    cluster.plane.api_server.end(Signal::KILL);
    let (refused, took) = cluster.fill(1, &mut pods);
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(refused.code, 11, "{refused:?}");
    assert!(refused.msg.contains("gingham-node cannot claim a block"), "{refused:?}");
    cluster.del(1, &pods.pop().unwrap());
    cluster.plane.api_server.start();
    cluster.add(1, "in-the-free-place").1.result();
    cluster.add(1, "afterwards").1.result();
    assert_eq!(blocks_of(&cluster, "node-1"), 4);
}

#[test]
fn nothing_is_listed_or_written_in_the_steady_state() {
    if !programs::has_control_plane() {
        return;
    }
    let cluster = Cluster::new();
    let mut agents = [1, 2].map(|node| cluster.agent(node, &["--interval", "1"]));
    agents.iter_mut().for_each(until_ready);
    for agent in &mut agents {
        agent.until("gingham_routes", |routes| routes == 1);
        agent.reconciles(2);
    }
    let before = cluster.requests();
    let pods: Vec<Container> = (0..4).map(|pod| cluster.add(1, &format!("pod-{pod}")).0).collect();
    pods.iter().for_each(|pod| cluster.del(1, pod));
    agents.iter_mut().for_each(|agent| agent.reconciles(8));
    assert_eq!(cluster.requests(), before);
}

#[test]
fn a_member_is_taken_over_when_its_node_object_is_deleted_and_its_lease_is_not_renewed() {
    if !programs::has_control_plane() {
        return;
    }
    let cluster = Cluster::new();
    // Looks every 4 s, and waits for 25 s.
    let mut agents = [1, 2].map(|node| cluster.agent(node, &["--grace-period", "1"]));
    agents.iter_mut().for_each(until_ready);
    let [mut first, second] = agents;
    second.end(Signal::KILL);
    cluster.plane.kubectl().run(&["delete", "node", "node-2"]).stdout();
    cluster.until_taken("node-2", &first);
    first.until("gingham_routes", |routes| routes == 0);
}
