//! The command lines of `ginghamctl policy replay` and `compare`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::network::TriedNodeArguments;
use crate::cli::Format;

#[derive(Debug, Args)]
#[command(after_help = "\
FILE is a history that a node recorded (`ipam.record`). COMPONENT is a .wasm file, the policy's directory,
which is built first, or the name of a policy that `ginghamctl policy list` shows.

Each request is put to COMPONENT in the situation that it was made in. The leases are those of the history, whatever
COMPONENT answers; what it keeps in its state is its own. The exit code is 1 if a container would get something else.

With --json: an object with requests, ends, verdicts (counts by name), notes and differences: objects with request (its
number), containerId, pod, verdict, recorded and answered.

Examples:
  ginghamctl policy replay mynet.jsonl ./my-policy
  ginghamctl policy replay mynet.jsonl my-policy.wasm --config next.json")]
pub(crate) struct ReplayArguments {
    /// The history
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The policy: a .wasm file, the policy's directory, or a name
    #[arg(value_name = "COMPONENT")]
    pub(crate) component: String,
    /// A configuration to use instead of the recorded ones
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("requests").args(["file", "config"]).required(true).multiple(true)))]
// clap would name the group first.
#[command(override_usage = "ginghamctl policy compare [OPTIONS] <A> <B> <HISTORY|--config <FILE>>")]
#[command(after_help = "\
A and B are .wasm files, policies' directories, which are built first, or names of policies that
`ginghamctl policy list` shows. HISTORY is what a node recorded (`ipam.record`). Without HISTORY, the requests are those
that `ginghamctl policy check` generates for the configuration of --config.

Both policies get every request in the same situation. The leases are those of the history or, without one, those that A
gave. The exit code is 1 if a container would get something else from B than from A.

With --json: an object with requests, ends, verdicts (counts by name), notes and differences: objects with request (its
number), containerId, pod, verdict, first and second.

Examples:
  ginghamctl policy compare host-local ./my-policy mynet.jsonl
  ginghamctl policy compare old.wasm new.wasm --config net.json --steps 5000")]
pub(crate) struct CompareArguments {
    /// The first policy
    #[arg(value_name = "A")]
    pub(crate) first: String,
    /// The second policy
    #[arg(value_name = "B")]
    pub(crate) second: String,
    /// The history, a file that `ginghamctl policy record` prints; without it, --config is needed
    #[arg(value_name = "HISTORY")]
    pub(crate) file: Option<PathBuf>,
    /// The network: a CNI configuration, or the object under its `ipam` alone
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) node: TriedNodeArguments,
    /// How many steps to generate
    #[arg(long, value_name = "N", default_value_t = 5_000, conflicts_with = "file")]
    pub(crate) steps: usize,
    /// Where the random steps begin
    #[arg(long, value_name = "S", default_value_t = 0, conflicts_with = "file")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) format: Format,
}
