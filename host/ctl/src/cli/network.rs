//! What can be said about networks and their addresses.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use gingham_engine::reference_leases::REFERENCE_DIR;
use gingham_engine::settings::default_data_dir;

use super::answer::{Answer, Networks};

#[derive(Debug, Args)]
#[command(after_help = "\
A network is Gingham's if one of its plugins is `gingham` or a link to it (CNI_PATH says where plugins are). FREE,
RESTING and LEASED count the addresses of each pool; resting ones were freed a short while ago and are handed out when
nothing else is free. Where a range is divided among nodes, FREE is what this node can hand out without another block,
and RANGE-FREE all of the range that nobody on this node holds. Below the table stands what is wrong: a configuration
that ADD would refuse, a full pool, networks that share addresses, addresses outside of all pools, containers that are
gone.

With --json: an object with `networks`, a list of objects with network, file, policy, attachments, pools (name, free,
rangeFree, resting, leased, reserved, draining) and problems (sentences), and `problems` of files that are no networks.

Examples:
  ginghamctl status
  ginghamctl status --network mynet --json")]
pub(crate) struct StatusArguments {
    /// Only this network
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    #[command(flatten)]
    pub(crate) networks: Networks,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Tells which plugin of the configuration is Gingham, which policy chooses addresses, what its pools are and how many
addresses they have, what the first three containers would get on an empty node, and what else on this node has the same
addresses: its routes and the other networks of --config-dir. A configuration of the reference `bridge` is explained as
if its type were `gingham`. Nothing is allocated and nothing is changed. The exit status is 1 if an ADD on this
node would fail now: by the configuration, in the words of ADD, or by what the node lacks (a `problem`).

With --json: an object with network, file, plugins, gingham (the name it runs under), isGingham, bridge (name,
isGateway, ipMasq), policy, ipamPlugin, dataDir, pools (name, ranges, addresses), exclude, first (a list of addresses
for each container), firstRefused, problems, overlaps and notes (sentences).

Examples:
  ginghamctl check-config /etc/cni/net.d/10-mynet.conflist
  ginghamctl check-config teams --pod-namespace red --json")]
pub(crate) struct CheckConfigArguments {
    /// A configuration file, or the name of a network in --config-dir
    #[arg(value_name = "FILE|NETWORK")]
    pub(crate) network: String,
    /// The pod namespace of the first three containers, for policies that look at it
    #[arg(long, value_name = "NAME")]
    pub(crate) pod_namespace: Option<String>,
    #[command(flatten)]
    pub(crate) networks: Networks,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

#[derive(Debug, Args)]
pub(crate) struct OwnerArguments {
    /// The name of a network in --config-dir, or a configuration file
    #[arg(value_name = "NETWORK|FILE")]
    pub(crate) network: String,
    /// Whose addresses: a name made of letters, digits, `_`, `.` and `-`
    #[arg(long, value_name = "ID")]
    pub(crate) owner: String,
    #[command(flatten)]
    pub(crate) networks: Networks,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Prints the address and nothing else, one line for each pool of the network. An owner that holds addresses gets them told
again, so a script can be repeated. The policy, the store and the locks are the plugin's: no container gets the address.
It is kept as container `owner/ID`; no runtime's GC and no `ginghamctl gc` takes it away, but a reboot does, as with
containers.

With --json: an object with network, owner and addresses.

Examples:
  ip=$(ginghamctl allocate mynet --owner web-1)
  ginghamctl allocate mynet --owner web-2 --address 10.1.0.99 --json")]
pub(crate) struct AllocateArguments {
    #[command(flatten)]
    pub(crate) owner: OwnerArguments,
    /// This address and no other; may be given once for each pool
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Vec<IpAddr>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Prints the addresses that are free now, one on a line, and nothing if there were none. Those of an owner rest before
they are handed out again. `ginghamctl leases` shows the reservations that policies made for somebody.

With --json: an object with network, owner or reservation, and addresses.

Examples:
  ginghamctl release mynet --owner web-1
  ginghamctl release ./mynet.conf --owner web-1 --json
  ginghamctl release mynet --reservation shop/web-0")]
#[command(group(ArgGroup::new("what").required(true).args(["owner", "reservation"])))]
pub(crate) struct ReleaseArguments {
    /// The name of a network in --config-dir, or a configuration file
    #[arg(value_name = "NETWORK|FILE")]
    pub(crate) network: String,
    /// Whose addresses: a name made of letters, digits, `_`, `.` and `-`
    #[arg(long, value_name = "ID")]
    pub(crate) owner: Option<String>,
    /// End the reservation of an address, or all reservations under a policy's key
    #[arg(long, value_name = "KEY|ADDRESS")]
    pub(crate) reservation: Option<String>,
    #[command(flatten)]
    pub(crate) networks: Networks,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Makes a network namespace, lets the configuration's plugins attach it (ADD of each in turn, as a runtime does), runs
COMMAND in it, and takes everything back when it ends (DEL), also after SIGINT, SIGTERM, SIGHUP and SIGQUIT, which are
passed on to COMMAND. Files and processes are this machine's; only the network is another. Needs root.
With --library DIR plugins get the variable GINGHAM_LIBRARY=DIR, and Gingham takes installed policies from there.

Exit status: that of COMMAND, or 128 and the number of the signal that ended it; 125 if the namespace could not be
attached, 126 if COMMAND could not be run, 127 if there is no COMMAND of that name.

With --json: the CNI result of ADD, an object on one line of standard error, before COMMAND starts.

Examples:
  ginghamctl run mynet -- ip address
  ginghamctl run ./mynet.conflist --pod-namespace red -- curl http://10.1.0.7/")]
pub(crate) struct RunArguments {
    /// A configuration file, or the name of a network in --config-dir
    #[arg(value_name = "CONFIG")]
    pub(crate) network: String,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub(crate) command: Vec<OsString>,
    /// What the container is called [default: made up]
    #[arg(long, value_name = "ID")]
    pub(crate) name: Option<String>,
    /// The pod namespace, for policies that look at it
    #[arg(long, value_name = "NAME")]
    pub(crate) pod_namespace: Option<String>,
    #[command(flatten)]
    pub(crate) networks: Networks,
    /// Print the result of ADD as JSON on standard error
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Adopt the leases of the reference plugin host-local
    HostLocal(ImportArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The plugin does this by itself when it first uses a network. Do it by hand to see what it finds, or after the reference
served the network again in between. All leases of a network are adopted in one transaction, with their containers:
their addresses are handed to nobody else, and DEL frees them. Adopting again adds what is new. The reference's
directory stays as it is; a lease that ends here later takes its file with it. Leases from before this boot are left
alone, unless their container is known to live.

With --json: a list of objects with network, imported, known (here already), ofEarlierBoot (each a list of objects with
address, containerId and interface), conflicts (address, containerHere, containerThere) and leftOut (sentences).

Examples:
  ginghamctl import host-local --dry-run
  ginghamctl import host-local --network mynet")]
pub(crate) struct ImportArguments {
    /// Only this network's [default: all that have leases]
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    /// The reference's data directory
    #[arg(long, value_name = "DIR", default_value = REFERENCE_DIR)]
    pub(crate) from: PathBuf,
    /// Gingham's data directory: `ipam.dataDir` of the configuration
    #[arg(long, value_name = "DIR", default_value_os_t = default_data_dir())]
    pub(crate) data_dir: PathBuf,
    /// Say what would be imported, and import nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// Hand the leases of a network to the reference plugin host-local
    HostLocal(ExportArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The way back to the reference: writes its files, then forgets the leases here, so that one side alone gives out the
addresses. Export and change the configuration's type while no container is started or stopped: should Gingham be used
once more, it adopts the leases again. Masquerading rules of running containers stay until the node is restarted, and
the reference complains on DEL if it did not make them (ipMasq; seen with 1.1.1): stop those containers before.

With --json: an object with network, directory, and three lists of objects with address, containerId and interface:
exported, known (there already) and kept (their holders are no containers).

Example:
  ginghamctl export host-local --network mynet")]
pub(crate) struct ExportArguments {
    /// The network
    #[arg(long, value_name = "NAME")]
    pub(crate) network: String,
    /// The reference's data directory
    #[arg(long, value_name = "DIR", default_value = REFERENCE_DIR)]
    pub(crate) to: PathBuf,
    /// Gingham's data directory: `ipam.dataDir` of the configuration
    #[arg(long, value_name = "DIR", default_value_os_t = default_data_dir())]
    pub(crate) data_dir: PathBuf,
    #[command(flatten)]
    pub(crate) answer: Answer,
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
