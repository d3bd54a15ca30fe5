//! The command line: what can be said, and the help that explains it.

#[cfg(test)]
mod documentation;
mod explain;
mod kubectl;
mod membership;
mod network;
mod node;
mod policy;
mod recover;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use gingham_engine::settings::{default_data_dir, default_library};
use gingham_workbench::cases::PodName;

pub(crate) use explain::ExplainArguments;
pub(crate) use kubectl::{
    BlocksArguments, Connection, DrainArguments, IpsArguments, KubectlCli, KubectlCommand, KubectlExplainArguments,
    KubectlStatusArguments, KubectlTakeoverArguments, UndrainArguments, View,
};
pub(crate) use membership::{
    ClusterArguments, ClusterCommand, ClusterStatusArguments, Confirmed, JoinArguments, KubernetesArguments,
    LeaveArguments, MigrateArguments, MigrationTarget, TakeoverArguments,
};
pub(crate) use network::{
    AllocateArguments, CheckConfigArguments, CompletionsArguments, ExportArguments, ExportCommand, ImportArguments,
    ImportCommand, ReleaseArguments, RunArguments, Shell, StatusArguments,
};
pub(crate) use node::{InstallArguments, NodeCommand, ProbeArguments, Question, RollbackArguments, UninstallArguments};
pub(crate) use policy::{
    AbsentFact, AddArguments, BenchArguments, BuildArguments, CallArguments, CheckArguments, CompareArguments,
    CompileArguments, InspectArguments, ListArguments, NewArguments, PolicyCommand, PullArguments, PushArguments,
    RecompileArguments, RecordArguments, RegistryArguments, RemoveArguments, ReplayArguments, RequesterKind,
    SignArguments, TestArguments, TrustArguments, VerifyArguments, WitArguments,
};
pub(crate) use recover::RecoverArguments;

/// Try Gingham, check configurations, install policies, and inspect networks and leases.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, disable_help_subcommand = true)]
#[command(after_help = "\
Start with `ginghamctl try`: it shows an address from ADD to DEL and changes nothing on this machine.
GINGHAM_LOG=debug writes each step to standard error.
Exit status: 0 success, 1 failure (standard error has the reason), 2 wrong usage.
With --json the reason is a line of JSON on standard error: an object with error.

Examples:
  ginghamctl try
  ginghamctl check-config /etc/cni/net.d/10-mynet.conflist")]
pub(crate) struct Cli {
    /// The directory of installed policies
    #[arg(long, global = true, value_name = "DIR", default_value_os_t = default_library())]
    pub(crate) library: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where container runtimes look for network configurations.
pub(crate) const CONFIG_DIR: &str = "/etc/cni/net.d";

#[derive(Debug, Args)]
pub(crate) struct DataDir {
    /// The data directory: `ipam.dataDir` of the configuration
    #[arg(id = "data_dir", long = "data-dir", value_name = "DIR", default_value_os_t = default_data_dir())]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigDir {
    /// The directory of network configurations
    #[arg(long = "config-dir", value_name = "DIR", default_value = CONFIG_DIR)]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Format {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Try a network with two containers, isolated from this machine
    Try(TryArguments),
    /// Write, build, ship, install, list, inspect and remove policies
    #[command(arg_required_else_help = true, disable_help_subcommand = true)]
    #[command(after_help = "\
A policy is a WebAssembly component that chooses addresses. `ipam.policy` of a configuration names it.

Examples:
  ginghamctl policy new pool-per-team
  ginghamctl policy add ./pool-per-team")]
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Explain a network configuration: policy, pools, first addresses, overlaps
    CheckConfig(CheckConfigArguments),
    /// Run a command in a network namespace attached by a configuration
    Run(RunArguments),
    /// Show the networks of this node, their free addresses and their problems
    Status(StatusArguments),
    /// Show which container holds which address
    Leases(LeasesArguments),
    /// Explain why a container has its address, or why an address is not handed out
    Explain(ExplainArguments),
    /// Free the leases of containers that no longer exist
    Gc(GcArguments),
    /// Rebuild a damaged lease store from the running containers
    Recover(RecoverArguments),
    /// Administer networks that nodes share
    #[command(arg_required_else_help = true, disable_help_subcommand = true)]
    #[command(after_help = "\
Nodes share a network's range if its configuration has `ipam.cluster`.

Examples:
  ginghamctl cluster status
  ginghamctl cluster takeover node-3")]
    Cluster {
        #[command(subcommand)]
        command: ClusterCommand,
    },
    /// Install, roll back and remove Gingham's programs on a node
    #[command(arg_required_else_help = true, disable_help_subcommand = true)]
    #[command(after_help = "\
These commands work on files of the node. The DaemonSet of deploy/kubernetes runs `install` before the agent starts.

Examples:
  ginghamctl node install --host /host
  ginghamctl node uninstall")]
    Node {
        #[command(subcommand)]
        command: NodeCommand,
    },
    /// Allocate an address of a network for a script or service, and print it
    Allocate(AllocateArguments),
    /// Free the addresses of `allocate`, or end a reservation
    Release(ReleaseArguments),
    /// Adopt the leases of another plugin
    #[command(arg_required_else_help = true, disable_help_subcommand = true)]
    #[command(after_help = "\
Examples:
  ginghamctl import host-local --dry-run
  ginghamctl import host-local --network mynet")]
    Import {
        #[command(subcommand)]
        command: ImportCommand,
    },
    /// Hand leases over to another plugin
    #[command(arg_required_else_help = true, disable_help_subcommand = true)]
    #[command(after_help = "\
Examples:
  ginghamctl export host-local --network mynet
  ginghamctl export host-local --network mynet --json")]
    Export {
        #[command(subcommand)]
        command: ExportCommand,
    },
    /// Print the completion script for a shell
    Completions(CompletionsArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Makes two containers (network namespaces) and runs the plugin for them as a container runtime does: ADD, UDP datagrams
between them and to the gateway, CHECK, DEL. Then verifies that nothing is left. Everything happens in user, network and
mount namespaces that end with the command, with an empty /run and /var/lib. Nothing on this machine changes. Root is
not needed where user namespaces are allowed.

With --cluster N there are N nodes, in namespaces, that share a range, with a pod on each. The pods send datagrams to
each other. Then the last node is killed and taken over while the traffic of the others continues. The store is an etcd
of the trial if etcd is installed, else a directory. `ipam.cluster` of CONFIG is replaced.

Examples:
  ginghamctl try                                     a built-in network
  ginghamctl try --cluster 3                         three nodes that share a range
  ginghamctl try /etc/cni/net.d/10-mynet.conflist    your network
  ginghamctl try my.conf --pod-namespace red         as a pod of the Kubernetes namespace red
  ginghamctl try my.conf --pod red/web-0 --label team=red
  ginghamctl --library ./policies try my.conf        a policy of another library")]
pub(crate) struct TryArguments {
    /// A .conf, or a .conflist, whose first plugin is tried; `-` for standard input [default: a built-in one]
    #[arg(value_name = "CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The plugin's file [default: `gingham` in the directory of ginghamctl]
    #[arg(long, value_name = "PATH")]
    pub(crate) plugin: Option<PathBuf>,
    /// The pod of the first container; the second one is the pod try-2 of the same namespace
    #[arg(long, value_name = "NAMESPACE/NAME", conflicts_with_all = ["pod_namespace", "cluster"])]
    pub(crate) pod: Option<PodName>,
    /// The pod namespace of both containers, for policies that use it
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) pod_namespace: String,
    /// A label of both pods; repeat it for several [default: labels are unknown]
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = policy::pair, conflicts_with = "cluster")]
    pub(crate) labels: Vec<(String, String)>,
    /// An annotation of both pods; repeat it for several [default: annotations are unknown]
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = policy::pair, conflicts_with = "cluster")]
    pub(crate) annotations: Vec<(String, String)>,
    /// Try a network that N nodes share, 3 to 8
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(3..=8))]
    pub(crate) cluster: Option<u8>,
    /// The store of the cluster [default: etcd if it is installed, else directory]
    #[arg(long, value_name = "STORE", requires = "cluster")]
    pub(crate) store: Option<TrialStore>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TrialStore {
    /// An etcd of the trial; its program is on PATH, in /usr/bin or in /usr/sbin
    Etcd,
    /// A directory that all nodes share
    Directory,
}

#[derive(Debug, Args)]
#[command(after_help = "\
STATE is `in use`, `container gone`, or `earlier boot` for a lease that a reboot ended; the next ADD frees it. Below the
table are the reservations of policies, and how many freed addresses are cooling: they are not handed out yet. A
cooldown's length is that of the network's configuration.

With --json: an object with
  leases        objects with network, addresses, containerId, interface, pod (namespace, name, uid), netns, since (UTC),
                state (\"in-use\", \"earlier-boot\", \"container-gone\"), why (the container counts as gone) and reason (of
                the policy)
  cooling       objects with network and count
  reservations  objects with network, address, key and until (UTC)

Examples:
  ginghamctl leases
  ginghamctl leases --network mynet --json")]
pub(crate) struct LeasesArguments {
    /// Only this network
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataDir,
    #[command(flatten)]
    pub(crate) config: ConfigDir,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A lease is freed if its container's network namespace no longer exists, if it is of an earlier boot, or if the reference
host-local has freed it since its adoption. It is kept if the namespace exists, or if that is unknown. Addresses of
`ginghamctl allocate` are kept. Freed addresses are cooling before they are handed out again. Run this on the node, not
in a container: the paths of namespaces must be those of the runtime.

Examples:
  ginghamctl gc --dry-run
  ginghamctl gc --network mynet")]
pub(crate) struct GcArguments {
    /// Only this network
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataDir,
    /// Print what would be freed, and free nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
