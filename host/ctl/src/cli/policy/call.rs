//! The command line of `ginghamctl policy call`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use gingham_workbench::cases::{Mac, OwnerName, PodName};

use super::network::{TriedNodeArguments, pair};
use crate::cli::Format;

#[derive(Debug, Args)]
#[command(after_help = "\
COMPONENT is a .wasm file, the policy's directory, which is built first, or the name of a policy that
`ginghamctl policy list` shows. CONFIG is a network's configuration, or the object under `ipam` alone.

The request runs in the engine of the plugin, in memory, with its limits and its guard. Nothing is leased. No lease is
there before, except those of --leases. Of the pod nothing is known but what the options say: labels are known from
the first --label on.

With --trace each call of the host is shown with its arguments and its result, or its error.

Exit status: 1 if the request is refused or the policy fails; the answer, cost and log are printed all the same.

With --json: an object with granted, addresses (address, gateway), routes, dns, reason, error, refused (the kind, or
null), log (level, message), calls (export, fuel, hostCalls, memory (bytes), milliseconds, trapped), fuel, fuelLimit,
hostCalls, memory, deterministic and trace (function, arguments, result, error).

Examples:
  ginghamctl policy call host-local --config /etc/cni/net.d/10-mynet.conflist
  ginghamctl policy call ./my-policy --config ipam.json --pod shop/web-0 --owner StatefulSet/web --trace
  echo '{\"subnet\": \"10.1.0.0/24\"}' | ginghamctl policy call my-policy.wasm --config - --ip 10.1.0.9")]
pub(crate) struct CallArguments {
    /// The policy: a .wasm file, the policy's directory, or a name
    #[arg(value_name = "COMPONENT")]
    pub(crate) component: String,
    /// A .conf, a .conflist, or the object under `ipam`; `-` for standard input
    #[arg(long, value_name = "CONFIG")]
    pub(crate) config: PathBuf,
    /// The pod
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub(crate) pod: Option<PodName>,
    /// The pod's uid
    #[arg(long, value_name = "UID")]
    pub(crate) pod_uid: Option<String>,
    /// A label of the pod; repeat it for several
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) labels: Vec<(String, String)>,
    /// An annotation of the pod
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) annotations: Vec<(String, String)>,
    /// A label of the pod's namespace
    #[arg(long = "namespace-label", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) namespace_labels: Vec<(String, String)>,
    /// An annotation of the pod's namespace
    #[arg(long = "namespace-annotation", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) namespace_annotations: Vec<(String, String)>,
    /// What made the pod
    #[arg(long, value_name = "KIND/NAME[/UID]")]
    pub(crate) owner: Option<OwnerName>,
    /// The pod's service account
    #[arg(long, value_name = "NAME")]
    pub(crate) service_account: Option<String>,
    /// A fact that the host knows there is none of
    #[arg(long, value_name = "FACT")]
    pub(crate) absent: Vec<AbsentFact>,
    #[command(flatten)]
    pub(crate) node: TriedNodeArguments,
    /// An argument of `CNI_ARGS`
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) args: Vec<(String, String)>,
    /// A label of the configuration's args.cni.labels
    #[arg(long = "args-label", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) args_labels: Vec<(String, String)>,
    /// A requested address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Vec<IpAddr>,
    /// The hardware address
    #[arg(long, value_name = "MAC")]
    pub(crate) mac: Option<Mac>,
    /// The container's identity
    #[arg(long, value_name = "ID", default_value = "container-1")]
    pub(crate) container: String,
    /// The interface in the container
    #[arg(long, value_name = "NAME", default_value = "eth0")]
    pub(crate) ifname: String,
    /// Who requests [default: pod if there is one, else container]
    #[arg(long, value_name = "KIND")]
    pub(crate) requester: Option<RequesterKind>,
    /// The seed of the request [default: a fixed one]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// A file of cases: its first case's leases, reservations and state are there before
    #[arg(long, value_name = "FILE")]
    pub(crate) leases: Option<PathBuf>,
    /// Show each call of the host
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AbsentFact {
    ServiceAccount,
    Owner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RequesterKind {
    Pod,
    Container,
    Node,
    Script,
}
