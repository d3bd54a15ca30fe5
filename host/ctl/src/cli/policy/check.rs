//! The command line of `ginghamctl policy check`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use gingham_workbench::check::Property;

use super::network::TriedNetworkArguments;
use crate::cli::Format;

#[derive(Debug, Args)]
#[command(after_help = "\
COMPONENT is a .wasm file, the policy's directory, which is built first, or the name of a policy that
`ginghamctl policy list` shows. docs/policies/check.md explains the properties.

Containers come, go and return in random order. Runtimes retry and request addresses, nodes reboot, the clock jumps,
leases are collected, pools run full, and facts of pods are known, absent or unknown. Every answer must be right. With
several --config, the network changes between them. The same --seed gives the same steps. Large pools are narrowed by
`exclude`, small ones by leases. The first property that the policy breaks is shown with the shortest steps to it, as a
case for `ginghamctl policy test`.

With --json: an object with policy, sequences, steps, adds, granted, refused, exhausted, tryAgain, retries, seed,
unservedRanges (objects with configuration, a number from 1 on, and range: no request got an address of it) and finding
(null, or property, rule, message and case).

Examples:
  ginghamctl policy check ./my-policy --config net.json
  ginghamctl policy check sticky --config a.json --config b.json --steps 100000 --time 10m
  ginghamctl policy check my-policy.wasm --config net.json --save found.toml")]
pub(crate) struct CheckArguments {
    /// The policy: a .wasm file, the policy's directory, or a name
    #[arg(value_name = "COMPONENT")]
    pub(crate) component: String,
    #[command(flatten)]
    pub(crate) network: TriedNetworkArguments,
    /// How many steps to try
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = steps)]
    pub(crate) steps: usize,
    /// Where the random steps begin
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Begin nothing new after this time
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) time: Option<Duration>,
    /// Do not judge this property
    #[arg(long, value_name = "PROPERTY", value_parser = property)]
    pub(crate) skip: Vec<Property>,
    /// Write the case of a broken property to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: Format,
}

fn steps(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|steps| *steps > 0).ok_or_else(|| "expected a whole number from 1 on".to_owned())
}

fn property(name: &str) -> Result<Property, String> {
    let names = || Property::ALL.map(Property::name).join(", ");
    Property::of_name(name).ok_or_else(|| format!("expected one of {}", names()))
}
