//! The command line of `ginghamctl policy bench`.

use std::path::PathBuf;

use clap::Args;
use gingham_workbench::cases::PodName;

use super::network::TriedNodeArguments;
use crate::cli::Format;

#[derive(Debug, Args)]
#[command(after_help = "\
COMPONENT is a .wasm file, the policy's directory, which is built first, or the name of a policy that
`ginghamctl policy list` shows.

A request is measured with 0, 50, 90 and 99 % of the addresses leased, and with 10, 1,000 and 100,000 leases, where the
pools are large enough. Leases are the lowest addresses of each pool, and in memory: the times leave out a node's disk.
host-local is measured beside it, with the same addresses. Fuel, host calls and memory are exact; the time is a median.

With --json: an object with policy, wasmtime, config and situations: objects with name, leases, note and exports, which
has by the export's name fuel, hostCalls, memory (bytes) and nanoseconds. `hostLocal` is the same of host-local, or
null. `regressions` (situation, export, saved, current) is there with --compare.

Examples:
  ginghamctl policy bench ./my-policy --config net.json
  ginghamctl policy bench my-policy.wasm --config net.json --save bench.json
  ginghamctl policy bench my-policy.wasm --config net.json --compare bench.json")]
pub(crate) struct BenchArguments {
    /// The policy: a .wasm file, the policy's directory, or a name
    #[arg(value_name = "COMPONENT")]
    pub(crate) component: String,
    /// The network: a CNI configuration, or the object under its `ipam` alone
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) node: TriedNodeArguments,
    /// The pod that requests addresses
    #[arg(long, value_name = "NS/NAME", default_value = "shop/bench-0")]
    pub(crate) pod: PodName,
    /// How often each situation is measured
    #[arg(long, value_name = "N", default_value_t = 31, value_parser = runs)]
    pub(crate) runs: usize,
    /// Write the result to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Fail if an export needs more fuel than in FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: Format,
}

fn runs(text: &str) -> Result<usize, String> {
    let runs = text.parse().ok().filter(|runs| (1..=100_000).contains(runs));
    runs.ok_or_else(|| "use a number from 1 to 100000".to_owned())
}
