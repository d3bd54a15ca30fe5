//! What can be said about networks that are divided among nodes.

use clap::{Args, Subcommand};

use super::answer::{Answer, Networks};

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show the nodes, their shares and blocks, and who holds what
    Status(ClusterStatusArguments),
    /// Make this node a member
    Join(JoinArguments),
    /// Give up this node's membership and its blocks
    Leave(LeaveArguments),
    /// End the membership of a node that is gone, so that its blocks are free
    Takeover(TakeoverArguments),
}

/// Which network, and how the answer is to look.
#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    /// A network in --config-dir, or a file [default: the only one with `ipam.cluster`]
    #[arg(long, value_name = "NETWORK|FILE")]
    pub(crate) network: Option<String>,
    #[command(flatten)]
    pub(crate) networks: Networks,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

#[derive(Debug, Args)]
#[command(after_help = "\
SHARE is the range meant for a node: it claims blocks there first. BLOCKS are those it has claimed. USED counts the
addresses in use in them, COOLING those that were freed and are not handed out yet, FREE those that this node can hand
out; a node knows its own alone. ROUTE says whether this node has routes to the other's
blocks. STATE is `member`, `left` or `taken over`. Whether a node is alive cannot be seen at one look: `ginghamctl
cluster takeover` watches for it. In the picture of the range a letter is a node, `.` is nobody, `*` is several.

If the store cannot be asked, what this node knows itself is shown, and the exit status is 1.

With --json: an object with network, node, store, routing, kept (whether gingham-node runs), reachable (the store),
problem, grids (range, blockLength) and members, a list of objects with node, thisNode, share (ranges), blocks, used,
cooling, free, address, route (\"local\", \"direct\", \"vxlan\", \"missing\"; null where none is needed) and
state (\"member\", \"left\", \"taken\", \"listed\" without a store, or null if the store does not tell).

Examples:
  ginghamctl cluster status
  ginghamctl cluster status --network pods --json")]
pub(crate) struct ClusterStatusArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A node joins by itself with its first ADD, or when gingham-node starts. Join by hand to see that it can, or after
`leave`. It gets a first block. If the name may be another machine's, that one is watched for 12 seconds first.

With --json: an object with network, node, incarnation, blocks (prefixes) and lost (blocks that others have now).

Examples:
  ginghamctl cluster join
  ginghamctl cluster join --network ./pods.conf --json")]
pub(crate) struct JoinArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Its blocks are free for the others, its routes to them and its own address on the bridge go. The node stays out until
`ginghamctl cluster join`. Refused while containers use addresses of the network. Where the store cannot be asked the
node is out all the same; run it again later, so that the others learn it.

With --json: an object with network, node and blocks (those given back). Needs --yes.

Examples:
  ginghamctl cluster leave
  ginghamctl cluster leave --force --yes --json")]
pub(crate) struct LeaveArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    /// Leave although there are attachments: their containers are gone
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) confirmed: Confirmed,
}

#[derive(Debug, Args)]
#[command(after_help = "\
For a node that will not come back, or not with its containers. Its blocks are free at once and are claimed by whoever
needs them; should it come back, it joins and claims anew. Make sure that its containers do not run any more: silence
does not prove it. It is watched for 12 seconds first, and refused if it shows life. To do it twice does no harm.

With --json: an object with network, node, done (false: it was no member any more), fenced (blocks claimed up to this
incarnation are free), blocks (those that are free now) and watchedSeconds. Needs --yes.

Examples:
  ginghamctl cluster takeover node-3
  ginghamctl cluster takeover node-3 --yes --json")]
pub(crate) struct TakeoverArguments {
    /// The node that is gone
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    /// Do not watch it: it is known to be off
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) confirmed: Confirmed,
}

/// For what cannot be taken back.
#[derive(Debug, Args)]
pub(crate) struct Confirmed {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}
