//! A cluster: a control plane, and nodes on one link.

mod agreement;

use std::fs::{self, File};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gingham_net::address::DuplicateDetection;
use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::{address, bridge};
use ipnet::{IpNet, Ipv4Net};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::agent_account::AgentAccount;
use crate::command::{Finished, until};
use crate::control_plane::ControlPlane;
use crate::keeper::{Keeper, Process};
use crate::kubectl::Kubectl;
use crate::node::{Node, Site, cgroups};
use crate::{image, private_directories, programs};

pub use agreement::Addresses;

/// The control plane's address on the link of the nodes.
pub const CONTROL_PLANE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);

/// Ends a test that hangs. On a busy machine a step may last ten times as long as on an idle one, and each wait ends when
/// its condition holds.
const READY_TIMEOUT: Duration = Duration::from_mins(8);

/// What is under test, as cargo built it.
#[derive(Debug, Clone)]
pub struct Programs {
    pub plugin: PathBuf,
    pub ctl: PathBuf,
    pub agent: PathBuf,
}

#[derive(Debug)]
pub struct Cluster {
    pub nodes: Vec<Node>,
    managers: Vec<Process>,
    pub control_plane: ControlPlane,
    account: AgentAccount,
    directory: TempDir,
}

/// Whether a cluster with nodes can be started. If not, the calling test is recorded as skipped and should return.
#[must_use]
pub fn can_start() -> bool {
    // The user namespace of the machine, in which no user is missing.
    let is_root = fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.contains("4294967295"));
    let packages = [
        ("/usr/bin/containerd", "containerd"),
        ("/usr/sbin/runc", "runc"),
        ("/usr/lib/cni/bridge", "containernetworking-plugins"),
        ("/usr/sbin/iptables", "iptables"),
        ("/usr/bin/busybox", "busybox-static"),
    ];
    skipped_tests::holds(is_root, "to be run as root (container runtimes do)")
        && skipped_tests::holds(cgroups::are_of_version_1(), "cgroups of version 1 (kubelet 1.20 does)")
        && packages.iter().all(|(program, package)| skipped_tests::has(program, package))
        && programs::has_control_plane()
        && programs::has(&["kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy"])
}

impl Cluster {
    /// Starts it; the nodes have no network for pods yet.
    pub fn start(nodes: u8, programs: &Programs) -> Self {
        let base = private_directories::prepare();
        let directory = TempDir::new_in(&base).unwrap();
        let keeper = Arc::new(Keeper::new());
        let switch = switch();
        let arguments = ["--kubelet-preferred-address-types=InternalIP"];
        let control_plane = ControlPlane::start_in(&base, CONTROL_PLANE.into(), &arguments);
        let account = AgentAccount::of(&control_plane, directory.path());
        let site = Site {
            switch,
            router: CONTROL_PLANE,
            image: image::busybox(directory.path()),
            programs: keep(programs, directory.path()),
            account: account.clone(),
            keeper,
        };
        let managers = start_managers(&site.keeper, &control_plane);
        let mut cluster = Self { nodes: Vec::new(), managers, control_plane, account, directory };
        for number in 1..=nodes {
            let user = |name: &str| cluster.control_plane.kubectl_of(name);
            let users = [user(&format!("system:node:node-{number}")), user("system:kube-proxy")];
            let mut node = Node::new(cluster.directory.path(), number, users, site.clone());
            node.boot();
            cluster.nodes.push(node);
        }
        cluster
    }

    /// `kubectl` as a user who may do everything.
    pub fn kubectl(&self) -> &Kubectl {
        self.control_plane.kubectl()
    }

    /// Makes what agents that are no pods need in the Kubernetes API: definitions, rights and a token.
    pub fn admit_agents(&self) {
        self.account.create(self.kubectl());
    }

    /// Makes the tokens of [`Self::admit_agents`] invalid, as if they had expired: another service account takes the name.
    /// `admit_agents` gives agents new ones.
    pub fn void_agent_tokens(&self) {
        self.kubectl().run(&["--namespace=gingham-system", "delete", "serviceaccount", "gingham-node"]).stdout();
        let old = fs::read_to_string(self.account.token()).unwrap();
        let kubectl = self.control_plane.kubectl_with("void", &old);
        // The API server keeps for some seconds what it found out about a token.
        until("the API server refuses the token of a deleted account", READY_TIMEOUT, || {
            let asked = kubectl.run(&["get", "nodes"]);
            if asked.is_success() { Err(format!("it shows {}", asked.stdout())) } else { Ok(()) }
        });
    }

    /// Gives all nodes the image that the manifests name. The plugin is in the image alone.
    pub fn import_gingham(&self) {
        let directory = self.directory.path();
        let archive = image::gingham(directory, &directory.join("programs"));
        for node in &self.nodes {
            node.take_boot_id_of_machine();
            fs::remove_file(node.disk().join("plugins/gingham")).unwrap();
            node.import(&archive);
        }
    }

    /// Gives all nodes [`image::NEXT`]: the programs of the directory `GINGHAM_PROGRAMS_NEXT`, or those under test with other
    /// bytes. Returns its plugin.
    pub fn import_next_gingham(&self) -> PathBuf {
        let directory = self.directory.path();
        let next = std::env::var_os("GINGHAM_PROGRAMS_NEXT").map_or_else(|| self.other_bytes(), PathBuf::from);
        let archive = image::of_programs(directory, image::NEXT, &next);
        for node in &self.nodes {
            node.import(&archive);
        }
        next.join("gingham")
    }

    /// Copies of the programs that differ in their digest. A loader reads nothing at the end.
    fn other_bytes(&self) -> PathBuf {
        let directory = self.directory.path();
        let next = directory.join("programs-next");
        fs::create_dir(&next).unwrap();
        for name in ["gingham", "ginghamctl", "gingham-node"] {
            let copy = next.join(name);
            fs::copy(directory.join("programs").join(name), &copy).unwrap();
            File::options().append(true).open(copy).unwrap().write_all(b"next").unwrap();
        }
        next
    }

    /// `kubectl exec` in the container of a node's agent, which the manifests started.
    pub fn exec_in_agent(&self, node: &Node, command: &[&str]) -> Finished {
        let selector = "--selector=app.kubernetes.io/name=gingham-node";
        let on_node = format!("--field-selector=spec.nodeName={}", node.name);
        let found = ["pods", "--namespace=gingham-system", selector, &on_node];
        let pods = items(self.kubectl().get(&found));
        let pod = pods[0]["metadata"]["name"].as_str().unwrap();
        let exec = ["--namespace=gingham-system", "exec", pod, "--container=gingham-node", "--"];
        self.kubectl().run(&[&exec, command].concat())
    }

    /// `kubectl gingham`, as a user who may do everything.
    pub fn gingham(&self, arguments: &[&str]) -> Finished {
        let ctl = self.directory.path().join("programs/ginghamctl");
        self.kubectl().run_plugin("gingham", &ctl, arguments)
    }

    /// Gives all nodes the same network and waits until they are ready.
    pub fn configure(&self, list: &str) {
        for node in &self.nodes {
            node.configure(list);
        }
        self.wait_ready(self.nodes.len());
    }

    /// Gives each node a network of its own, and waits until they are ready.
    pub fn configure_each(&self, list: impl Fn(&Node) -> String) {
        for node in &self.nodes {
            node.configure(&list(node));
        }
        self.wait_ready(self.nodes.len());
    }

    /// Waits until so many nodes are ready.
    #[track_caller]
    pub fn wait_ready(&self, nodes: usize) {
        until("the nodes are ready", READY_TIMEOUT, || {
            let items = items(self.kubectl().get(&["nodes"]));
            let is_ready = |node: &&Value| condition(node, "Ready") == Some("True");
            let ready = items.iter().filter(is_ready).count();
            let message = |node: &Value| node["status"]["conditions"].to_string();
            if ready == nodes { Ok(()) } else { Err(items.iter().map(message).collect::<Vec<_>>().join("\n")) }
        });
    }

    /// Waits until exactly so many pods have the label, in any namespace, and all of them run.
    #[track_caller]
    pub fn wait_running(&self, label: &str, count: usize, timeout: Duration) -> Vec<Value> {
        until(&format!("{count} pods with {label} run"), timeout, || {
            let pods = items(self.kubectl().get(&["pods", "--all-namespaces", "--selector", label]));
            let running = pods.iter().filter(|pod| is_running(pod)).count();
            if running == count && pods.len() == count {
                return Ok(pods);
            }
            let waiting = pods.iter().find(|pod| !is_running(pod)).map(|pod| pod["status"].to_string());
            Err(format!("{running} of {} run; one that does not: {}", pods.len(), waiting.unwrap_or_default()))
        })
    }

    pub fn stop_api_server(&mut self) {
        self.control_plane.api_server.end(Signal::KILL);
    }

    pub fn start_api_server(&mut self) {
        self.control_plane.api_server.start();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let events = self.kubectl().run(&["get", "events", "--all-namespaces", "--field-selector=type!=Normal"]);
            if events.is_success() {
                let text = events.stdout();
                let lines: Vec<&str> = text.lines().collect();
                eprintln!("events:\n{}", lines[lines.len().saturating_sub(15)..].join("\n"));
            }
        }
        // They write into the directory that goes with the value.
        self.nodes.clear();
        self.managers.clear();
    }
}

/// The items of a list.
pub fn items(list: Value) -> Vec<Value> {
    match list {
        Value::Object(mut object) => match object.remove("items") {
            Some(Value::Array(items)) => items,
            _ => panic!("a list has items: {object:?}"),
        },
        other => panic!("no list: {other}"),
    }
}

/// The status of a condition of a node or a pod.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)?["status"].as_str()
}

/// Whether all containers of a pod run and nobody deletes it.
fn is_running(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_null()
        && pod["status"]["phase"] == "Running"
        && condition(pod, "Ready") == Some("True")
}

fn switch() -> bridge::Bridge {
    let mut kernel = Socket::<Route>::open().unwrap();
    link::change(&mut kernel, Which::Name("lo"), &Change { up: Some(true), ..Change::default() }).unwrap();
    let switch = bridge::ensure(&mut kernel, "switch", None, false).unwrap();
    let own = IpNet::V4(Ipv4Net::new_assert(CONTROL_PLANE, 24));
    if address::list(&mut kernel, switch.index).is_ok_and(|addresses| addresses.is_empty()) {
        address::add(&mut kernel, switch.index, own, DuplicateDetection::Off).unwrap();
    }
    switch
}

/// Copies that no later build replaces.
fn keep(programs: &Programs, directory: &Path) -> PathBuf {
    let kept = directory.join("programs");
    fs::create_dir(&kept).unwrap();
    let Programs { plugin, ctl, agent } = programs;
    for (name, built) in [("gingham", plugin), ("ginghamctl", ctl), ("gingham-node", agent)] {
        fs::copy(built, kept.join(name)).unwrap();
    }
    kept
}

fn start_managers(keeper: &Keeper, plane: &ControlPlane) -> Vec<Process> {
    let user = |name: &str| plane.kubectl_of(&format!("system:{name}")).kubeconfig().display().to_string();
    let file = |name: &str| plane.directory().join(name).display().to_string();
    let manager = user("kube-controller-manager");
    let lines = [
        (
            "kube-controller-manager",
            vec![
                format!("--kubeconfig={manager}"),
                format!("--authentication-kubeconfig={manager}"),
                format!("--authorization-kubeconfig={manager}"),
                "--use-service-account-credentials=true".to_owned(),
                format!("--service-account-private-key-file={}", plane.accounts_key().display()),
                format!("--root-ca-file={}", plane.authority().display()),
                format!("--flex-volume-plugin-dir={}", file("flex-volumes")),
                format!("--cert-dir={}", file("manager")),
                "--leader-elect=false".to_owned(),
                // A kubelet of a busy machine is late, and a node that is not ready takes its pods' readiness with it.
                "--node-monitor-grace-period=90s".to_owned(),
            ],
        ),
        ("kube-scheduler", vec![format!("--kubeconfig={}", user("kube-scheduler")), "--leader-elect=false".to_owned()]),
    ];
    let start = |(name, arguments): (&str, Vec<String>)| {
        let mut command = Command::new(programs::path(name));
        command.env_clear().args(arguments);
        keeper.start(command, &plane.directory().join(format!("{name}.log")))
    };
    lines.into_iter().map(start).collect()
}
