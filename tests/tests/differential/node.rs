//! One of the two nodes: the same case runs on both, with other programs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use gingham_engine::ledger::LedgerQueries;
use gingham_engine::store::Store;
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use gingham_tests::cni::Cni;
use gingham_tests::kernel;
use gingham_tests::node::{Container, DATA, Node, PLUGINS};
use serde_json::Value;

use crate::case::{Case, Ground, RESOLV_CONF, Step};
use crate::observation::{Answer, Observation, state_of};

/// Where Debian installs the reference plugins.
pub(crate) const REFERENCE: &str = "/usr/lib/cni";

/// Whose programs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The reference plugins.
    Reference,
    /// Gingham, under their names.
    Gingham,
}

/// A node on which one side's programs are installed. It lasts as long as the thread.
pub(crate) struct NodeOfSide {
    side: Side,
    node: Node,
}

/// A case under way.
struct Run<'a> {
    node: &'a NodeOfSide,
    case: &'a Case,
    containers: Vec<Container>,
    /// What ADD answered, by container and interface.
    results: BTreeMap<(String, String), Value>,
}

impl NodeOfSide {
    /// Moves this thread onto a fresh node.
    pub(crate) fn new(side: Side) -> Self {
        let node = Node::new();
        symlink("the-plugin", format!("{PLUGINS}/bridge")).unwrap();
        Self { side, node }
    }

    /// Runs a case in network namespaces of its own: what is there before its first step, and after each.
    pub(crate) fn run(&self, case: &Case) -> Vec<Observation> {
        // A network keeps its leases between steps, not between cases: to ours an address that another network of the node
        // holds is not free.
        for directory in [DATA, "/var/lib/elsewhere"] {
            drop(fs::remove_dir_all(directory));
        }
        match &case.ground.resolv_conf {
            Some(text) => fs::write(RESOLV_CONF, text).unwrap(),
            None => drop(fs::remove_file(RESOLV_CONF)),
        }
        if case.program == "host-local" {
            // No kernel is involved, and no path has to lead anywhere.
            return Run::new(self, case, Vec::new()).all();
        }
        NetNs::create().unwrap().enter(|| self.run_bridge(case)).unwrap()
    }

    fn run_bridge(&self, case: &Case) -> Vec<Observation> {
        kernel::set_up("lo");
        let containers: Vec<Container> = case.containers().iter().map(|id| self.node.container(id)).collect();
        let nobody = self.node.container("somebody-else");
        prepare(&case.ground, &containers, &nobody);
        let seen = Run::new(self, case, containers.clone()).all();
        for container in containers.iter().chain([&nobody]) {
            container.vanish();
        }
        seen
    }

    fn plugins(&self) -> &'static str {
        match self.side {
            Side::Reference => REFERENCE,
            Side::Gingham => PLUGINS,
        }
    }

    /// "10.1.0.2 c1 eth0", and "0: 10.1.0.2" for the search for the next one.
    fn records(&self, network: &Value) -> (Vec<String>, Vec<String>) {
        let Some(name) = network["name"].as_str().filter(|name| !name.is_empty() && !name.contains('/')) else {
            return (Vec::new(), Vec::new());
        };
        let directory = network["ipam"]["dataDir"].as_str();
        let (mut leases, mut turn) = match self.side {
            Side::Reference => in_files(&Path::new(directory.unwrap_or("/var/lib/cni/networks")).join(name)),
            Side::Gingham => in_store(Path::new(directory.unwrap_or(DATA)), name),
        };
        leases.sort();
        turn.sort();
        (leases, turn)
    }
}

fn prepare(ground: &Ground, containers: &[Container], nobody: &Container) {
    if let Some(bridge) = &ground.bridge {
        let mut kernel = Socket::<Route>::open().unwrap();
        let made = gingham_net::bridge::ensure(&mut kernel, &bridge.name, None, false).unwrap();
        for net in &bridge.addresses {
            let detection = gingham_net::address::DuplicateDetection::Off;
            gingham_net::address::add(&mut kernel, made.index, net.parse().unwrap(), detection).unwrap();
        }
    }
    if let Some(name) = &ground.veth {
        kernel::add_veth(nobody, "other", name);
    }
    if let Some(occupied) = containers.iter().find(|container| Some(&container.id) == ground.occupied.as_ref()) {
        kernel::add_veth(occupied, "eth0", "anothers");
    }
}

impl<'a> Run<'a> {
    fn new(node: &'a NodeOfSide, case: &'a Case, containers: Vec<Container>) -> Self {
        Self { node, case, containers, results: BTreeMap::new() }
    }

    fn all(mut self) -> Vec<Observation> {
        let before = Observation {
            answer: Answer::Silence,
            text: String::new(),
            leases: Vec::new(),
            turn: Vec::new(),
            state: self.state(),
            stderr: String::new(),
        };
        let steps = self.case.steps.iter();
        std::iter::once(before).chain(steps.map(|step| self.step(step))).collect()
    }

    fn state(&self) -> Value {
        match self.case.program.as_str() {
            "bridge" => state_of(self.case, &self.containers),
            _ => Value::Null,
        }
    }

    fn step(&mut self, step: &Step) -> Observation {
        let attachment = (step.container.clone(), step.interface.clone());
        let mut network = self.case.network_of(step);
        if let Some(result) = self.results.get(&attachment).filter(|_| step.verb == "CHECK") {
            network["prevResult"] = result.clone();
        }
        let outcome = self.call(step, &network).run();
        let answer = Answer::of(outcome.exit_code(), outcome.stdout());
        if let (Answer::Result(result), "ADD") = (&answer, step.verb.as_str()) {
            self.results.insert(attachment, result.clone());
        }
        let state = self.state();
        let (leases, turn) = self.node.records(&network);
        let text = outcome.stdout().to_owned();
        Observation { answer, text, leases, turn, state, stderr: outcome.stderr }
    }

    fn call(&self, step: &Step, network: &Value) -> Cni {
        let mut call = Cni::of("ADD", network).only_directory(self.node.plugins()).program(&self.case.program);
        call = call.variable("CNI_COMMAND", &step.verb).variable("CNI_CONTAINERID", &step.container);
        call = call.variable("CNI_IFNAME", &step.interface);
        call = call.variable("CNI_NETNS", PathBuf::from("/run/netns").join(&step.container));
        if let Some(args) = &step.args {
            call = call.args(args);
        }
        if let Some(input) = &step.input {
            call = call.input(input);
        }
        step.variables.iter().fold(call, |call, (name, value)| match value {
            Some(value) => call.variable(name, value),
            None => call.without_variable(name),
        })
    }
}

/// One file for each address, with the container and the interface in it, and one for the last address of each set.
fn in_files(directory: &Path) -> (Vec<String>, Vec<String>) {
    let (mut leases, mut turn) = (Vec::new(), Vec::new());
    for file in fs::read_dir(directory).into_iter().flatten().map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        let content = || fs::read_to_string(file.path()).unwrap().replace("\r\n", " ");
        if name.parse::<std::net::IpAddr>().is_ok() {
            leases.push(format!("{name} {}", content()));
        } else if let Some(index) = name.strip_prefix("last_reserved_ip.") {
            turn.push(format!("{index}: {}", content()));
        }
    }
    (leases, turn)
}

fn in_store(directory: &Path, network: &str) -> (Vec<String>, Vec<String>) {
    let Some(store) = Store::open_read_only(directory).unwrap() else { return (Vec::new(), Vec::new()) };
    let ledger = store.ledger(network).unwrap();
    let (mut leases, mut turn) = (Vec::new(), Vec::new());
    for (key, record) in ledger.attachments().unwrap() {
        let lease = |address| format!("{address} {} {}", key.container_id, key.interface);
        leases.extend(record.addresses.iter().map(lease));
    }
    for key in ledger.state_keys("last/", None, 100).unwrap() {
        let last = String::from_utf8(ledger.state_value(&key).unwrap().unwrap()).unwrap();
        turn.push(format!("{}: {last}", key.trim_start_matches("last/")));
    }
    (leases, turn)
}
