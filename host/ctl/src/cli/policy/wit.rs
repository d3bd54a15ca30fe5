//! `ginghamctl policy wit`

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = "\
The contract is the WIT package gingham:ipam. Every item of it is documented there. The world `policy` is what each
policy is; `policy-with-…` are optional exports.

Examples:
  ginghamctl policy wit | less
  ginghamctl policy wit --out wit/deps/gingham-ipam")]
pub(crate) struct WitArguments {
    /// Write the files to this directory instead of printing them
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
