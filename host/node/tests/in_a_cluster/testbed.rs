//! What the tests stand on: a nodes whose nodes have a agent each, and a store between them.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gingham_net::netlink::{Route, Socket};
use gingham_net::node_routes::{self, NodeRoute};
use gingham_tests::cni::Cni;
use gingham_tests::kernel;
use gingham_tests::networks;
use gingham_tests::node::Container;
use gingham_tests::nodes::{Nodes, Topology};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The network's name.
pub(crate) const NETWORK: &str = "net";

/// Longer than anything here takes, so that running into it is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Nodes with one store.
pub(crate) struct Testbed {
    pub(crate) nodes: Nodes,
    /// Shared by all of them.
    pub(crate) directory: TempDir,
}

impl Testbed {
    /// So many nodes on one link.
    pub(crate) fn new(nodes: u8) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("store")).unwrap();
        Self { nodes: Nodes::new(nodes, Topology::OneLink), directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The network as a node is configured, with the store in a directory unless `changes` has another.
    pub(crate) fn network(&self, node: usize, changes: Value) -> Value {
        let node = self.nodes.node(node);
        let network = json!({
            "cniVersion": "1.1.0", "name": NETWORK, "type": "gingham", "bridge": "cni0", "isGateway": true,
            "ipam": {
                "type": "gingham", "policy": "weave-split", "range": "10.32.0.0/16", "blockSize": 24, "cooldown": "0",
                "cluster": {
                    "store": "directory", "directory": self.path("store"),
                    "node": node.name, "address": node.address,
                },
            },
        });
        networks::with(network, changes)
    }

    /// Starts a node's agent, one second between its reconciles unless the arguments say something else.
    pub(crate) fn agent(&self, node: usize, network: &Value, arguments: &[&str]) -> Agent {
        let name = &self.nodes.node(node).name;
        let (config, socket) = (self.path(&format!("{name}.d")), self.path(&format!("{name}.sock")));
        let _ = std::fs::create_dir(&config);
        std::fs::write(config.join("10-net.conf"), network.to_string()).unwrap();
        let log = self.path(&format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gingham-node"));
        command.arg("--config-dir").arg(config).arg("--listen").arg(format!("unix:{}", socket.display()));
        if !arguments.contains(&"--interval") {
            command.args(["--interval", "1"]);
        }
        command.args(arguments).env_remove("NOTIFY_SOCKET");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = self.nodes.node(node).on(move |_| command.spawn().unwrap());
        Agent { child, socket, log }
    }

    /// Lets a container join.
    pub(crate) fn add(&self, node: usize, network: &Value, id: &str) -> (Container, Value) {
        let (network, id) = (network.clone(), id.to_owned());
        self.nodes.node(node).on(move |node| {
            let container = node.container(&id);
            let result = Cni::add(&network, &container).run().result();
            (container, result)
        })
    }

    /// The routes to other nodes that a node keeps.
    pub(crate) fn routes(&self, node: usize) -> Vec<NodeRoute> {
        self.nodes.node(node).on(|_| {
            let range = "10.32.0.0/16".parse().unwrap();
            node_routes::list(&mut Socket::<Route>::open().unwrap(), &[range]).unwrap()
        })
    }

    /// Waits until a node's routes are so.
    pub(crate) fn until_routes(&self, node: usize, are: impl Fn(&[NodeRoute]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let routes = self.routes(node);
            if are(&routes) {
                return;
            }
            assert!(Instant::now() < deadline, "{routes:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Who holds what on a node: `CONTAINER INTERFACE ADDRESS`.
    pub(crate) fn leases(&self, node: usize) -> Vec<String> {
        self.nodes.node(node).on(|_| kernel::leases(NETWORK))
    }
}

/// A running agent. It ends with the value.
pub(crate) struct Agent {
    pub(crate) child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Agent {
    /// The process itself, for a test that ends it.
    pub(crate) fn process(&self) -> OwnedFd {
        pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()).unwrap()
    }

    /// Waits until a metric is so, or it has been killed. Returns whether that is it.
    #[track_caller]
    pub(crate) fn is_killed_before(&mut self, name: &str, is: impl Fn(u64) -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert_eq!(status.signal(), Some(9), "{status}: {}", self.log());
                return true;
            }
            if self.metric(name).is_some_and(&is) {
                return false;
            }
            assert!(Instant::now() < deadline, "{}\n{}", self.ask("/metrics"), self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it with a signal.
    pub(crate) fn end(mut self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap();
    }

    /// What it answers; nothing while it does not.
    pub(crate) fn ask(&self, path: &str) -> String {
        converse(&self.socket, path).unwrap_or_default()
    }

    /// A metric: its name, or with further labels `NAME,LABEL="VALUE"`.
    pub(crate) fn metric(&self, name: &str) -> Option<u64> {
        let (name, labels) =
            name.split_once(',').map_or((name, String::new()), |(name, rest)| (name, format!(",{rest}")));
        let start = format!("{name}{{network=\"{NETWORK}\"{labels}}} ");
        let text = self.ask("/metrics");
        text.lines().find_map(|line| line.strip_prefix(&start)).and_then(|value| value.parse().ok())
    }

    /// Waits until a metric is so, and returns it.
    #[track_caller]
    pub(crate) fn until(&mut self, name: &str, is: impl Fn(u64) -> bool) -> u64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.metric(name);
            if let Some(value) = value.filter(|value| is(*value)) {
                return value;
            }
            let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended: {}", log());
            assert!(Instant::now() < deadline, "{name} is {value:?}; {}\n{}", self.ask("/healthz"), log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for reconciles that begin now.
    #[track_caller]
    pub(crate) fn reconciles(&mut self, count: u64) {
        let begun = self.until("gingham_reconciles_total", |_| true);
        self.until("gingham_reconciles_total", |reconciles| reconciles > begun + count);
    }

    /// What it has logged so far, those before it on this node included.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn converse(socket: &Path, path: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
