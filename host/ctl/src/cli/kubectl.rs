//! Arguments of `kubectl gingham`.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand};

use super::Confirmed;

/// Show and administer the pod addresses of a Kubernetes cluster
#[derive(Debug, Parser)]
#[command(name = "kubectl-gingham", bin_name = "kubectl gingham", version)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
#[command(after_help = "\
This is ginghamctl under the name kubectl-gingham: link it so into a directory of PATH. It calls kubectl, with your
kubeconfig and your permissions. `ips`, `status` and `blocks` read objects of the API. The other commands, and
`ips --leases`, run ginghamctl in the containers of agents (kubectl exec).
Exit status: 0 success, 1 failure (standard error has the reason), 2 wrong usage.

Examples:
  kubectl gingham ips --all-namespaces
  kubectl gingham status --context production")]
pub(crate) struct KubectlCli {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: KubectlCommand,
}

/// Handed to kubectl.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of kubectl")]
pub(crate) struct Connection {
    /// The kubeconfig file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<String>,
    /// The context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The cluster of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// The user of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// The namespace of pods [default: that of the context]
    #[arg(long, short, global = true, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// The URL of the API server
    #[arg(long, short, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The user to impersonate
    #[arg(long = "as", global = true, value_name = "NAME")]
    pub(crate) impersonated: Option<String>,
    /// How long one call of the API may take, such as 10s [default: 30s for reads]
    #[arg(long, global = true, value_name = "TIME")]
    pub(crate) request_timeout: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KubectlCommand {
    /// Show the addresses of pods, and which block and node they belong to
    Ips(IpsArguments),
    /// Show networks, their members, and what is wrong
    Status(KubectlStatusArguments),
    /// Show which node holds which block
    Blocks(BlocksArguments),
    /// Explain why a pod has its address
    Explain(KubectlExplainArguments),
    /// Move the pods away from a node, and give its blocks back
    Drain(DrainArguments),
    /// Make a drained node a member again, and let it take pods
    Undrain(UndrainArguments),
    /// End the membership of a dead node, so that its blocks are free
    Takeover(KubectlTakeoverArguments),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum View {
    /// With more columns
    Wide,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct ViewArguments {
    /// The form of the output [default: a table]
    #[arg(long, short, value_name = "FORM")]
    pub(crate) output: Option<View>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Pods and blocks are joined here: nothing is written for a pod. Pods in the network of their node, and pods that have
ended, are left out. NOTE is `not this node's block` where another node holds the block of a pod's address, and `in no
block` where no node does: stop such a pod, its address may be given to another one. `not of Gingham` is an address that
another network gave.

LEASE, with --leases, is what the pod's node has recorded: `in-use`, `earlier-boot`, `container-gone`, `none`, `of
NAMESPACE/POD` for another pod's, or `unknown` if the node has no agent that is ready. With --all-namespaces and without
--selector, leases are shown that no pod has, too.

With --output json: a list of objects with namespace, pod, address, node, network, block, note, lease (with --leases),
owner (of the block) and phase.

Examples:
  kubectl gingham ips -A
  kubectl gingham ips -n shop -l app=web -o wide
  kubectl gingham ips -A --node node-1 --leases")]
pub(crate) struct IpsArguments {
    /// Of all namespaces
    #[arg(long, short = 'A')]
    pub(crate) all_namespaces: bool,
    /// Only pods with these labels
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Only pods on this node
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
    /// Also the leases of the pods' nodes
    #[arg(long)]
    pub(crate) leases: bool,
    #[command(flatten)]
    pub(crate) view: ViewArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
STATE is `member`, `left` or `taken over`. PROBLEM is what the Node's conditions of Gingham say, that its kubelet is
silent, or that no agent is ready on it. UNUSABLE counts blocks that were edited by hand or that a finalizer keeps:
`kubectl gingham blocks` names them. Nodes that are no members are listed at the end.

With --output json: an object with networks (network, range, policy, members, blocks, capacity, unusable), members
(network, node, state, blocks, problem, address, incarnation, fenced) and otherNodes.

Examples:
  kubectl gingham status
  kubectl gingham status -o wide")]
pub(crate) struct KubectlStatusArguments {
    #[command(flatten)]
    pub(crate) view: ViewArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
PODS counts the pods whose address is in the block. NOTE is empty for a block that its owner uses.

With --output json: a list of objects with network, block, owner, pods, note, incarnation and object (its name).

Examples:
  kubectl gingham blocks
  kubectl gingham blocks --node node-1 -o json")]
pub(crate) struct BlocksArguments {
    /// Only those of a node
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
    /// Only those of a network
    #[arg(long, value_name = "NETWORK")]
    pub(crate) network: Option<String>,
    #[command(flatten)]
    pub(crate) view: ViewArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Runs `ginghamctl explain` in the agent's container on the pod's node.

With --output json: the object that `ginghamctl explain --json` prints.

Examples:
  kubectl gingham explain web-0
  kubectl gingham explain shop/web-0 -o json")]
pub(crate) struct KubectlExplainArguments {
    /// The pod, POD or NAMESPACE/POD
    #[arg(value_name = "POD")]
    pub(crate) pod: String,
    /// The network [default: that of the pod's address]
    #[arg(long, value_name = "NETWORK")]
    pub(crate) network: Option<String>,
    /// The form of the output [default: text]
    #[arg(long, short, value_name = "FORM", value_parser = PossibleValuesParser::new(["json"]).map(|_| View::Json))]
    pub(crate) output: Option<View>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Runs `kubectl drain --ignore-daemonsets`, then `ginghamctl cluster leave` in the agent's container on the node. `leave`
refuses while containers on the node have addresses of the network, those of DaemonSets too; then run the command again
when they are gone. `kubectl gingham undrain` takes the node back.

Examples:
  kubectl gingham drain node-3
  kubectl gingham drain node-3 --delete-emptydir-data --timeout 5m")]
pub(crate) struct DrainArguments {
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    /// The network that the node leaves [default: the only one]
    #[arg(long, value_name = "NETWORK")]
    pub(crate) network: Option<String>,
    /// Also delete pods with emptyDir volumes
    #[arg(long)]
    pub(crate) delete_emptydir_data: bool,
    /// Also delete pods that no controller starts again
    #[arg(long)]
    pub(crate) force: bool,
    /// How long kubectl waits for pods to end, such as 5m [default: without limit]
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Runs `ginghamctl cluster join` in the agent's container on the node, then `kubectl uncordon`.

Examples:
  kubectl gingham undrain node-3
  kubectl gingham undrain node-3 --context production")]
pub(crate) struct UndrainArguments {
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    /// The network that the node joins [default: the only one]
    #[arg(long, value_name = "NETWORK")]
    pub(crate) network: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
For a node that does not come back. Runs `ginghamctl cluster takeover` in the agent's container on another node, which
watches the Lease of the dead node for 25 s first and refuses if it is renewed. A deleted Node is taken over without
this command, after 5 minutes.

Examples:
  kubectl gingham takeover node-3
  kubectl gingham takeover node-3 --yes --context production")]
pub(crate) struct KubectlTakeoverArguments {
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    /// The network [default: the only one]
    #[arg(long, value_name = "NETWORK")]
    pub(crate) network: Option<String>,
    /// Do not watch the node: it is certainly off
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) confirmed: Confirmed,
}
