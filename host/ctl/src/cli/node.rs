//! Arguments of `ginghamctl node`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gingham_engine::settings::DATA_DIR;
use gingham_engine::settings::membership::AGENT_SOCKET;

use super::CONFIG_DIR;
use super::membership::Confirmed;

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Install the plugin and this program on a node
    Install(InstallArguments),
    /// Exchange the installed programs for their previous versions
    Rollback(RollbackArguments),
    /// Remove Gingham from a node
    Uninstall(UninstallArguments),
    /// Ask the node agent whether it is ready, or alive
    Probe(ProbeArguments),
}

/// Where runtimes look for plugins.
const BIN_DIR: &str = "/opt/cni/bin";

#[derive(Debug, Args)]
pub(crate) struct Host {
    /// Where the node's file system is mounted; --bin-dir is below it
    #[arg(long = "host", value_name = "DIR", default_value = "/")]
    pub(crate) root: PathBuf,
    /// The node's directory of CNI plugins
    #[arg(long, value_name = "DIR", default_value = BIN_DIR)]
    pub(crate) bin_dir: PathBuf,
}

impl Host {
    /// A directory of the node, as this process reaches it.
    pub(crate) fn directory(&self, of_node: &std::path::Path) -> PathBuf {
        self.root.join(of_node.strip_prefix("/").unwrap_or(of_node))
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Copies `gingham` and `ginghamctl`. Each program is written to a temporary file in the same directory and synchronised,
compared with its source, started once, and renamed. So a runtime finds the earlier or the new program, whenever the
command is killed. The earlier one is kept as `gingham.previous`. Nothing is written if the node has the same programs.

Network configurations are not touched: in Kubernetes gingham-node writes them when the node is ready.

Examples:
  ginghamctl node install --host /host
  ginghamctl node install --from target/x86_64-unknown-linux-musl/ship")]
pub(crate) struct InstallArguments {
    #[command(flatten)]
    pub(crate) host: Host,
    /// The directory of the programs to install [default: that of ginghamctl]
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Each program changes places with the one that `install` kept as NAME.previous, in one step. A second rollback undoes the
first. Pods are not affected. In Kubernetes the install container of the next agent installs its own version again: roll
back the DaemonSet instead, with `kubectl rollout undo`.

Examples:
  ginghamctl node rollback
  ginghamctl node rollback --host /host")]
pub(crate) struct RollbackArguments {
    #[command(flatten)]
    pub(crate) host: Host,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Removes, in this order: the network configurations that gingham-node wrote, so that the runtime starts no more pods with
them; the routes, bridges and tables of their networks; the programs. Leases and policies stay in the data directory.

Fails, and changes nothing, while gingham-node runs, while containers hold addresses of a network of Gingham, or while a
configuration that gingham-node did not write names it. --force overrides the latter two: those containers lose their
network. This node's blocks stay claimed: run `ginghamctl cluster leave` before, or `cluster takeover` elsewhere.

Run it on the node as root, in the host's network namespace.

Examples:
  ginghamctl node uninstall
  ginghamctl node uninstall --host /host --force --yes")]
pub(crate) struct UninstallArguments {
    #[command(flatten)]
    pub(crate) host: Host,
    /// The node's directory of network configurations; not below --host
    #[arg(long, value_name = "DIR", default_value = CONFIG_DIR)]
    pub(crate) config_dir: PathBuf,
    /// The data directory; not below --host
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    pub(crate) data_dir: PathBuf,
    /// Uninstall although containers hold addresses
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) confirmed: Confirmed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Question {
    /// Has the agent written the configurations of its networks?
    Ready,
    /// Do its reconcile loops turn?
    Live,
}

#[derive(Debug, Args)]
#[command(after_help = "\
For the probes of a container: asks the agent over its unix socket, and prints the answer. A store that is unreachable
changes neither answer.

Examples:
  ginghamctl node probe ready
  ginghamctl node probe live --socket /run/gingham/node.sock")]
pub(crate) struct ProbeArguments {
    #[arg(value_enum)]
    pub(crate) question: Question,
    /// The agent's socket
    #[arg(long, value_name = "PATH", default_value = AGENT_SOCKET)]
    pub(crate) socket: PathBuf,
}
