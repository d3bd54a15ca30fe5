//! Arguments about networks and their addresses.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use gingham_engine::attachment::Pod;
use gingham_engine::reference_leases::REFERENCE_DIR;
use gingham_workbench::cases::PodName;

use super::policy::pair;
use super::{ConfigDir, DataDir, Format};

#[derive(Debug, Args)]
#[command(after_help = "\
A network is listed if one of its plugins is `gingham` or a link to it, in a directory of CNI_PATH. FREE, COOLING and
LEASED count the addresses of a pool. Cooling addresses were freed a short while ago; they are handed out when no other
is free. If nodes share the range, FREE is what this node can hand out without another block, and RANGE-FREE is what no
container of this node holds in the whole range. Problems are below the table: a configuration that ADD refuses, a full
pool, networks with common addresses, addresses outside of all pools, containers that no longer exist. A network with
`ipam.shadow` has a line with what came of the shadow's answers.

With --json: an object with `networks`, a list of objects with network, file, policy, attachments, pools (name, free,
rangeFree, cooling, leased, reserved, draining), shadow (policy, since, agreed, differed, refused, rejected, failed,
last) and problems (texts), and `problems` of files that are not networks.

Examples:
  ginghamctl status
  ginghamctl status --network mynet --json")]
pub(crate) struct StatusArguments {
    /// Only this network
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    #[command(flatten)]
    pub(crate) config: ConfigDir,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Prints which plugin of the configuration is Gingham, its policy, its pools with their sizes, the addresses of the first
three containers on an empty node, and the routes and networks of this node with the same addresses. A configuration of
the reference `bridge` is read as if its type were `gingham`. Nothing is allocated or changed. What the policy finds
wrong is printed as `ipam.KEY: MESSAGE`.

Exit status: 0 if an ADD on this node would succeed now; 1 if not, because of the configuration or because of the node
(a `problem`), or if there is no such configuration; 2 wrong usage.

With --json: an object with network, file, plugins, gingham (the name it runs under), isGingham, bridge (name,
isGateway, ipMasq), policy, ipamPlugin, dataDir, pools (name, ranges, addresses), exclude, first (a list of addresses
for each container), firstRefused, problems, overlaps and notes (texts).

Examples:
  ginghamctl check-config /etc/cni/net.d/10-mynet.conflist
  ginghamctl check-config teams --pod red/web-0 --label team=blue --json
  ginghamctl check-config - < mynet.conf")]
pub(crate) struct CheckConfigArguments {
    /// A configuration file, `-` for standard input, or the name of a network in --config-dir
    #[arg(value_name = "FILE|NETWORK")]
    pub(crate) network: String,
    #[command(flatten)]
    pub(crate) pod: TriedPodArguments,
    /// A label of the pod; repeat it for several [default: those that gingham-node knows]
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) labels: Vec<(String, String)>,
    /// An annotation of the pod; repeat it for several [default: those that gingham-node knows]
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) annotations: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) config: ConfigDir,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct TriedPodArguments {
    /// The pod of the containers, for policies that use it
    #[arg(long, value_name = "NAMESPACE/NAME", conflicts_with = "pod_namespace")]
    pub(crate) pod: Option<PodName>,
    /// The pod's namespace alone
    #[arg(long, value_name = "NAME")]
    pub(crate) pod_namespace: Option<String>,
}

impl TriedPodArguments {
    pub(crate) fn pod(&self) -> Pod {
        match &self.pod {
            Some(PodName { namespace, name }) => {
                Pod { namespace: Some(namespace.clone()), name: Some(name.clone()), uid: None }
            }
            None => Pod { namespace: self.pod_namespace.clone(), ..Pod::default() },
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct OwnerArguments {
    /// The name of a network in --config-dir, or a configuration file
    #[arg(value_name = "NETWORK|FILE")]
    pub(crate) network: String,
    /// The owner of the addresses: a name of letters, digits, `_`, `.` and `-`
    #[arg(long, value_name = "ID")]
    pub(crate) owner: String,
    #[command(flatten)]
    pub(crate) config: ConfigDir,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Prints the address and nothing else, one line for each pool of the network. For an owner that holds addresses it prints
those, so that a script can repeat the call. No container gets the address. The lease is listed as container `owner/ID`.
No runtime's GC and no `ginghamctl gc` frees it. A reboot does, as for containers.

With --json: an object with network, owner and addresses.

Examples:
  ip=$(ginghamctl allocate mynet --owner web-1)
  ginghamctl allocate mynet --owner web-2 --address 10.1.0.99 --json")]
pub(crate) struct AllocateArguments {
    #[command(flatten)]
    pub(crate) owner: OwnerArguments,
    /// Allocate this address; can be repeated, once for each pool
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Vec<IpAddr>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Prints the addresses that it freed, one on a line, and nothing if there were none. Addresses of an owner are cooling
before they are handed out again. `ginghamctl leases` lists the reservations of policies. The end of a reservation does
not end a lease: the line of an address that a container holds names the container.

With --json: an object with network, owner or reservation, addresses, and, if there are any, leased: those of the
addresses that containers hold, as objects with address, container and interface.

Examples:
  ginghamctl release mynet --owner web-1
  ginghamctl release ./mynet.conf --owner web-1 --json
  ginghamctl release mynet --reservation shop/web-0")]
#[command(group(ArgGroup::new("what").required(true).args(["owner", "reservation"])))]
pub(crate) struct ReleaseArguments {
    /// The name of a network in --config-dir, or a configuration file
    #[arg(value_name = "NETWORK|FILE")]
    pub(crate) network: String,
    /// The owner of the addresses: a name of letters, digits, `_`, `.` and `-`
    #[arg(long, value_name = "ID")]
    pub(crate) owner: Option<String>,
    /// End the reservation of an address, or all reservations under a key
    #[arg(long, value_name = "KEY|ADDRESS")]
    pub(crate) reservation: Option<String>,
    #[command(flatten)]
    pub(crate) config: ConfigDir,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Makes a network namespace, attaches it with the plugins of the configuration (ADD of each, as a runtime does) and runs
COMMAND in it. When COMMAND ends, DEL frees everything, also after SIGINT, SIGTERM, SIGHUP and SIGQUIT, which are passed
on to COMMAND. Files and processes are those of this machine. Needs root. With --library DIR the plugins get the
variable GINGHAM_LIBRARY=DIR, and Gingham takes installed policies from there. Labels of the pod are those that
gingham-node knows of --pod. With --label or --annotation they are in the lease store instead while COMMAND runs.

Exit status: that of COMMAND, or 128 and the number of the signal that ended it; 125 if the namespace could not be
attached, 126 if COMMAND could not be run, 127 if COMMAND was not found.

With --json: the CNI result of ADD, an object on one line of standard error, before COMMAND starts.

Examples:
  ginghamctl run mynet -- ip address
  ginghamctl run ./mynet.conflist --pod red/web-0 --label team=blue -- curl http://10.1.0.7/")]
pub(crate) struct RunArguments {
    /// A configuration file, or the name of a network in --config-dir
    #[arg(value_name = "CONFIG")]
    pub(crate) network: String,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub(crate) command: Vec<OsString>,
    /// The container's ID [default: a new one]
    #[arg(long, value_name = "ID")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) pod: TriedPodArguments,
    /// A label of the pod; repeat it for several [default: those that gingham-node knows]
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair, requires = "pod")]
    pub(crate) labels: Vec<(String, String)>,
    /// An annotation of the pod; repeat it for several [default: those that gingham-node knows]
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = pair, requires = "pod")]
    pub(crate) annotations: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) config: ConfigDir,
    /// Print the result of ADD as JSON on standard error
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Adopt the leases of the reference host-local
    HostLocal(ImportArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The plugin adopts leases automatically when it first uses a network. Use this command to see what it finds, or after
host-local served the network again. All leases of a network are adopted in one transaction. Their addresses are not
handed out again, and DEL frees them. A repeated import adopts what is new. The directory of host-local stays; when
an adopted lease ends, its file is removed. Leases of an earlier boot are ignored unless their container is running.

With --json: a list of objects with network, imported, known (adopted before), ofEarlierBoot (each a list of objects
with address, containerId and interface), conflicts (address, containerHere, containerThere) and leftOut (texts).

Examples:
  ginghamctl import host-local --dry-run
  ginghamctl import host-local --network mynet")]
pub(crate) struct ImportArguments {
    /// Only this network [default: all that have leases]
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    /// The data directory of the reference host-local
    #[arg(long, value_name = "DIR", default_value = REFERENCE_DIR)]
    pub(crate) from: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataDir,
    /// Print what would be imported, and import nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// Hand the leases of a network over to the reference host-local
    HostLocal(ExportArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Writes the files of host-local, then removes the leases here, so that only one plugin hands out the addresses. Export
and change the type in the configuration while no container starts or stops: if Gingham is used once more, it adopts the
leases again. Masquerade rules of running containers stay until the node restarts. With ipMasq, the reference bridge
(seen with 1.1.1) reports an error on DEL if it did not make them: stop those containers before.

With --json: an object with network, directory, and three lists of objects with address, containerId and interface:
exported, known (exported before) and kept (their holders are not containers).

Examples:
  ginghamctl export host-local --network mynet
  ginghamctl export host-local --network mynet --json")]
pub(crate) struct ExportArguments {
    /// The network
    #[arg(long, value_name = "NAME")]
    pub(crate) network: String,
    /// The data directory of the reference host-local
    #[arg(long, value_name = "DIR", default_value = REFERENCE_DIR)]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataDir,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ginghamctl completions bash > /etc/bash_completion.d/ginghamctl
  ginghamctl completions fish > ~/.config/fish/completions/ginghamctl.fish")]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// A shell that completes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}
