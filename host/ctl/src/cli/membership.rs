//! Arguments of `ginghamctl cluster`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ConfigDir, Format};

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show the nodes of a network, their shares and their blocks
    Status(ClusterStatusArguments),
    /// Make this node a member of the network's cluster
    Join(JoinArguments),
    /// End this node's membership and give its blocks back
    Leave(LeaveArguments),
    /// End the membership of a dead node, so that its blocks are free
    Takeover(TakeoverArguments),
    /// Move the network's cluster between etcd and the Kubernetes API, while its nodes run
    Migrate(MigrateArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    /// A network in --config-dir, or a file [default: the only one with `ipam.cluster`]
    #[arg(long, value_name = "NETWORK|FILE")]
    pub(crate) network: Option<String>,
    #[command(flatten)]
    pub(crate) config: ConfigDir,
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesArguments,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// For networks with the store `kubernetes`.
#[derive(Debug, Default, Args)]
pub(crate) struct KubernetesArguments {
    #[arg(
        long,
        value_name = "URL",
        help = "The Kubernetes API, https://HOST:PORT [default: GINGHAM_KUBE_SERVER, else the pod's]"
    )]
    pub(crate) kube_server: Option<String>,
    /// PEM file of the authority that signed the API server's certificate [default: the pod's]
    #[arg(long, value_name = "FILE")]
    pub(crate) kube_ca: Option<PathBuf>,
    /// File of a token for the Kubernetes API [default: the pod's]
    #[arg(long, value_name = "FILE")]
    pub(crate) kube_token: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
SHARE is the part of the range meant for a node, where it claims blocks first. BLOCKS counts the blocks it holds. USED
counts the addresses in use in them, COOLING those that were freed and are not handed out yet, and FREE those that the
node can hand out; these three are known for this node only. ROUTE is how this node reaches the blocks of the other.
STATE is `member`, `left` or `taken over`. Whether a node is alive takes longer to see: `ginghamctl cluster takeover`
watches for it. In the map of the range each letter is a node; `.` is unclaimed; `*` is shared by several.

If the store is unreachable, only this node's own part is shown, and the exit status is 1.

With --json: an object with network, node, store, routing, agentRunning, storeReachable, problem, grids (range,
blockLength) and members, a list of objects with node, thisNode, share (ranges), blocks, used, cooling, free, address,
route (\"local\", \"direct\", \"vxlan\", \"missing\"; null where none is needed) and state (\"member\", \"left\", \"taken\", \"listed\"
without a store, or null if the store is unreachable).

Examples:
  ginghamctl cluster status
  ginghamctl cluster status --network pods --json")]
pub(crate) struct ClusterStatusArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A node joins with its first ADD, or when gingham-node starts. Join by hand to see that it can, or after `leave`. The
node claims a first block. If another machine may have the node's name, that machine is watched for 12 seconds first
(with the store `kubernetes` 25).

With --json: an object with network, node, incarnation, blocks (prefixes) and lost (blocks that other nodes hold now).

Examples:
  ginghamctl cluster join
  ginghamctl cluster join --network ./pods.conf --json")]
pub(crate) struct JoinArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The node's blocks are free for the other nodes. Its routes to them and its address on the bridge are removed. It joins
again with `ginghamctl cluster join` only. Fails while containers use addresses of the network. If the store is
unreachable, the node leaves all the same; run the command again later, so that the other nodes see it. Without access
to a store `kubernetes` (--kube-server) nothing is changed.

With --json: an object with network, node and blocks (those given back). Needs --yes.

Examples:
  ginghamctl cluster leave
  ginghamctl cluster leave --force --yes --json")]
pub(crate) struct LeaveArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    /// Leave although addresses are in use: the containers no longer exist
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) confirmed: Confirmed,
}

#[derive(Debug, Args)]
#[command(after_help = "\
For a node that does not come back, or not with its containers. Its blocks are free immediately, and other nodes claim
them as needed. If it comes back, it joins again and claims new blocks. Make sure that its containers do not run:
silence does not prove it. The node is watched for 12 seconds first (with the store `kubernetes` its Lease, for 25). If
it is alive, the command fails. A repeated takeover changes nothing.

With --json: an object with network, node, done (false: it was not a member), fenced (blocks claimed up to this
incarnation are free), blocks (those that are free now) and watchedSeconds. Needs --yes.

Examples:
  ginghamctl cluster takeover node-3
  ginghamctl cluster takeover node-3 --yes --json
  ginghamctl cluster takeover node-3 --kube-server https://192.0.2.10:6443 --kube-ca ca.crt --kube-token token")]
pub(crate) struct TakeoverArguments {
    /// The dead node
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    /// Do not watch the node: it is certainly off
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) confirmed: Confirmed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MigrationTarget {
    Kubernetes,
    /// The way back
    Etcd,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Members and live blocks are copied with their incarnations. Meanwhile no node can claim a block or join, for about 15 s;
running pods are not affected, and new ones start as long as their node's blocks have free addresses. At no moment can a
block be claimed in both stores. Interrupted at any point, run the command again: it goes on. Two at once do no harm.
Then set `cluster.store` on each node; until then a node serves from the blocks it holds. docs/cluster.md has all steps.

The configuration of the network is that with the store etcd, in both directions. The Kubernetes API is found as in a
pod, or by --kube-server, --kube-ca and --kube-token.

Refused if a member has no Node object of its name, a record cannot be read, blocks overlap, this node holds a block
that the store does not record as its, the ranges differ, or the other store has records of another cluster of this
network. With --to etcd a move to kubernetes that has not ended is given up, and nothing is copied.

With --json: an object with network, from, to, plan (\"move\", \"give-up\" or \"nothing\"), done (false with --dry-run),
members and blocks. Needs --yes or --dry-run.

Examples:
  ginghamctl cluster migrate --to kubernetes --dry-run --kube-server https://192.0.2.10:6443 --kube-token token
  ginghamctl cluster migrate --to etcd --network ./pods-with-etcd.conf --yes")]
pub(crate) struct MigrateArguments {
    /// The store to move to
    #[arg(long, value_name = "STORE")]
    pub(crate) to: MigrationTarget,
    /// Check and show what would be moved, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    #[command(flatten)]
    pub(crate) confirmed: Confirmed,
}

#[derive(Debug, Args)]
pub(crate) struct Confirmed {
    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,
}
