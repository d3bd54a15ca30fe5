//! `ginghamctl policy compile`

use std::path::PathBuf;

use clap::Args;
use gingham_engine::library::Digest;

use super::registry;

#[derive(Debug, Args)]
#[command(after_help = "\
It installs nothing and needs no privilege: `gingham-node` runs it as another user, for policies that come as objects of
Kubernetes. What it writes is machine code for this version of Gingham.

Examples:
  ginghamctl policy compile sticky.wasm --output sticky.cwasm
  ginghamctl policy compile - --output - < sticky.wasm > sticky.cwasm")]
pub(crate) struct CompileArguments {
    /// The component; - is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Where the machine code goes; - is standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Compile it only if the policy has this digest
    #[arg(long, value_name = "sha256:HEX", value_parser = registry::digest)]
    pub(crate) digest: Option<Digest>,
}
