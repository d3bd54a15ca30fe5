//! The command line: what can be said, and the help that explains it.

mod answer;
mod cluster;
mod network;
mod recover;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use gingham_engine::settings::{default_data_dir, default_library};

pub(crate) use answer::{Answer, Networks};
pub(crate) use cluster::{
    ClusterArguments, ClusterCommand, ClusterStatusArguments, Confirmed, JoinArguments, LeaveArguments,
    TakeoverArguments,
};
pub(crate) use network::{
    AllocateArguments, CheckConfigArguments, CompletionsArguments, ExportArguments, ExportCommand, ImportArguments,
    ImportCommand, ReleaseArguments, RunArguments, Shell, StatusArguments,
};
pub(crate) use recover::RecoverArguments;

/// Try Gingham, check configurations, install address policies, look after networks and leases.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, disable_help_subcommand = true)]
#[command(
    after_help = "Start with `ginghamctl try`: it shows the whole way of an address and touches nothing of this \
                        machine.\nExit status: 0 done, 1 failed (standard error says why), 2 wrong usage."
)]
pub(crate) struct Cli {
    /// The directory of installed policies
    #[arg(long, global = true, value_name = "DIR", default_value_os_t = default_library())]
    pub(crate) library: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Let two containers join a network, in namespaces of their own, and watch
    Try(TryArguments),
    /// Install, list, inspect and remove address policies
    #[command(arg_required_else_help = true, disable_help_subcommand = true)]
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Explain a network configuration: policy, pools, first addresses, overlaps
    CheckConfig(CheckConfigArguments),
    /// Run a command in a network namespace attached by a configuration
    Run(RunArguments),
    /// Show this node's networks, how full they are and what is wrong
    Status(StatusArguments),
    /// Show which container holds which address
    Leases(LeasesArguments),
    /// Free the leases of containers whose network namespace is gone
    Gc(GcArguments),
    /// Rebuild a damaged lease store from the containers that run
    Recover(RecoverArguments),
    /// Look after networks that are divided among nodes
    #[command(arg_required_else_help = true, disable_help_subcommand = true)]
    Cluster {
        #[command(subcommand)]
        command: ClusterCommand,
    },
    /// Take an address of a network for a script or service, and print it
    Allocate(AllocateArguments),
    /// Give back what `allocate` took
    Release(ReleaseArguments),
    /// Take over the leases of another plugin
    #[command(arg_required_else_help = true, disable_help_subcommand = true)]
    Import {
        #[command(subcommand)]
        command: ImportCommand,
    },
    /// Hand leases to another plugin
    #[command(arg_required_else_help = true, disable_help_subcommand = true)]
    Export {
        #[command(subcommand)]
        command: ExportCommand,
    },
    /// Print the completions for a shell
    Completions(CompletionsArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Two containers (network namespaces) are made, the plugin is run for them as a container runtime runs it, they ping each
other and the gateway, CHECK and DEL follow, and it is verified that nothing is left. All of it happens in user, network
and mount namespaces that end with the command, with an empty /run and /var/lib: it touches nothing of this machine, its
leases and its other networks, and it needs no root where user namespaces are allowed.

With --cluster N there are N nodes, each in namespaces of its own, that divide a range: a pod on each, the pods ping
each other, the last node is killed and taken over while the others' traffic goes on. Their store is an etcd of their
own if one is installed, else a directory that all of them see. `ipam.cluster` of CONFIG is replaced.

Examples:
  ginghamctl try                                     with a network that comes with ginghamctl
  ginghamctl try --cluster 3                         three nodes that share a range
  ginghamctl try /etc/cni/net.d/10-mynet.conflist    with yours
  ginghamctl try my.conf --pod-namespace red         as a pod of the Kubernetes namespace red
  ginghamctl --library ./policies try my.conf        with a policy installed elsewhere")]
pub(crate) struct TryArguments {
    /// A network configuration: .conf, or .conflist, of which the first plugin is tried [default: a built-in one]
    #[arg(value_name = "CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The plugin's file [default: `gingham` beside ginghamctl]
    #[arg(long, value_name = "PATH")]
    pub(crate) plugin: Option<PathBuf>,
    /// The pod namespace of both containers, for policies that look at it
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) pod_namespace: String,
    /// Try a network that is divided among N nodes, 3 to 8
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(3..=8))]
    pub(crate) cluster: Option<u8>,
    /// What the nodes agree by [default: etcd if it is installed, else directory]
    #[arg(long, value_name = "STORE", requires = "cluster")]
    pub(crate) store: Option<TrialStore>,
}

/// What the nodes of a trial agree by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TrialStore {
    /// An etcd of its own, found on PATH, in /usr/bin or in /usr/sbin
    Etcd,
    /// A directory that all nodes see
    Directory,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Check, compile and install a policy
    Add(AddArguments),
    /// List the policies that a configuration can name
    List(ListArguments),
    /// Show what a policy imports and exports, and whether it is ready
    Inspect(InspectArguments),
    /// Forget an installed policy
    Remove(RemoveArguments),
    /// Compile all installed policies for this version, as after an upgrade
    #[command(after_help = "\
Machine code is good for the version that made it. Until it is made anew, ADD fails for networks whose configuration
names an installed policy. Built-in policies need none of this.

Example:
  ginghamctl policy recompile")]
    Recompile,
}

#[derive(Debug, Args)]
#[command(after_help = "\
FILE is a component, the core module that `cargo build --release --target wasm32-unknown-unknown` leaves, or the
directory of a policy's crate, which is built first. A policy that imports anything but gingham:ipam is refused. A name
in use means the new policy from the next ADD on; running containers keep their addresses.

Examples:
  ginghamctl policy add target/wasm32-unknown-unknown/release/by_namespace.wasm
  ginghamctl policy add ./policies/by-namespace --name teams")]
pub(crate) struct AddArguments {
    /// The policy: a .wasm file or the directory of its crate
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The name that selects it in a configuration [default: the file's name, with - for _]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
With --json: a list of objects with name, digest, size (bytes), builtIn, compiled (for this version), hasRelease (DEL
calls the policy) and installedAt (UTC; null if built in).

Examples:
  ginghamctl policy list
  ginghamctl policy list --json")]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) answer: Answer,
}

#[derive(Debug, Args)]
#[command(after_help = "\
With --json: an object with name, digest, size (bytes), builtIn, installed, compiled (for this version), contract (the
version of gingham:ipam it was built for), imports, exports and hasRelease (DEL calls the policy).

Examples:
  ginghamctl policy inspect host-local
  ginghamctl policy inspect ./by_namespace.wasm --json")]
pub(crate) struct InspectArguments {
    /// The name of a policy, or a .wasm file
    #[arg(value_name = "NAME|FILE")]
    pub(crate) policy: String,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Containers keep the addresses the policy gave them, and their DEL works without it. ADD fails for networks whose
configuration still names it.

Example:
  ginghamctl policy remove by-namespace")]
pub(crate) struct RemoveArguments {
    /// The policy's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
STATE is `in use`, or `earlier boot` for a lease that a reboot ended and that the next ADD clears away. Addresses that
were freed a short while ago rest before they are handed out again; they are counted below the table, and the addresses
are named that policies keep for somebody.

With --json: an object with `leases`, a list of objects with network, addresses, containerId, interface, pod (namespace,
name, uid), netns, since (UTC), state (\"in-use\" or \"earlier-boot\") and, where the policy gave one, reason;
`resting`, a list of objects with network and count; and `reservations`, a list of objects with network, address, key
and until (UTC).

Examples:
  ginghamctl leases
  ginghamctl leases --network mynet --json")]
pub(crate) struct LeasesArguments {
    /// Only this network's
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    /// The data directory: `ipam.dataDir` of the configuration
    #[arg(long, value_name = "DIR", default_value_os_t = default_data_dir())]
    pub(crate) data_dir: PathBuf,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A lease is freed if nothing is at the path of its container's network namespace any more, or if it is of an earlier
boot, or if it was adopted from the reference host-local, which has freed it since. It is kept if the namespace is
there, and if that cannot be told. Addresses of `ginghamctl allocate` stay. Run this on the node itself, not in a
container: the paths must mean what they mean to the runtime. Freed addresses rest before they are handed out again.

Examples:
  ginghamctl gc --dry-run
  ginghamctl gc --network mynet")]
pub(crate) struct GcArguments {
    /// Only this network's
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    /// The data directory: `ipam.dataDir` of the configuration
    #[arg(long, value_name = "DIR", default_value_os_t = default_data_dir())]
    pub(crate) data_dir: PathBuf,
    /// Say what would be freed, and free nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
