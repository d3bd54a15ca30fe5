//! The nodes of the trial: each with leases and an identity of its own, and with the policies that are installed here.

use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gingham_engine::library::LIBRARY_DIR;
use gingham_testbed::daemon::Daemon;
use gingham_testbed::nodes::{self, Node, Topology};
use gingham_testbed::{TestbedError, machine};
use rustix::mount::mount_bind;

use crate::trial::plugin::DIRECTORY;

/// What a node does not share with the others.
const OWN: [&str; 3] = ["/run/netns", STATE, "/var/lib"];

const STATE: &str = "/run/gingham";

/// On a node: the configurations of its agent, and the agent's log.
const CONFIG_DIR: &str = "/run/gingham/net.d";
pub(super) const LOG: &str = "/run/gingham/node.log";

/// One of them. Its namespaces end with the value, and with the containers in them.
pub(super) struct TrialNode {
    /// `node-1`, …
    pub(super) name: String,
    /// Its address towards the others.
    pub(super) address: IpAddr,
    node: Node,
    agent: Option<Daemon>,
}

/// Makes so many nodes.
pub(super) fn create(count: u8) -> Result<Vec<TrialNode>, TestbedError> {
    if Path::new(LIBRARY_DIR).is_dir() {
        bind(Path::new(LIBRARY_DIR), &kept_library())?;
    }
    let nodes = nodes::create(count, Topology::OneLink, |number| {
        machine::hide(&OWN)?;
        if kept_library().is_dir() {
            bind(&kept_library(), Path::new(LIBRARY_DIR))?;
        }
        machine::set_machine_id(number, Path::new(STATE))
    })?;
    let named = |node: Node| TrialNode { name: node.machine.name.clone(), address: node.address, node, agent: None };
    Ok(nodes.into_iter().map(named).collect())
}

impl TrialNode {
    /// Does something on the node.
    pub(super) fn on<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, TestbedError> {
        self.node.machine.on(work)
    }

    /// Starts the agent there for one network.
    pub(super) fn start_agent(&mut self, program: &Path, config: &str) -> Result<(), TestbedError> {
        let log = self.on(|| -> io::Result<File> {
            fs::create_dir_all(CONFIG_DIR)?;
            fs::write(Path::new(CONFIG_DIR).join("10-try.conf"), config)?;
            File::create(LOG)
        })?;
        let failed = |source| TestbedError::Io { operation: "write below", path: STATE.into(), source };
        let mut command = Command::new(program);
        command.args(["--config-dir", CONFIG_DIR, "--interval", "1"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.map_err(failed)?);
        self.agent = Some(Daemon::start(&self.node.machine, command)?);
        Ok(())
    }

    /// Ends the node as a loss of power does. Returns when its link is gone.
    pub(super) fn end(self) -> Result<(), TestbedError> {
        drop(self.agent);
        self.node.end()
    }
}

/// Where installed policies are while `/var/lib` is a node's own.
fn kept_library() -> PathBuf {
    Path::new(DIRECTORY).join("library")
}

fn bind(from: &Path, to: &Path) -> Result<(), TestbedError> {
    let fault = |source| TestbedError::Io { operation: "show a directory at", path: to.to_owned(), source };
    fs::create_dir_all(to).and_then(|()| Ok(mount_bind(from, to)?)).map_err(fault)
}
