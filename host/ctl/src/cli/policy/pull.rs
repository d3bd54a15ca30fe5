//! The command line of `ginghamctl policy pull`.

use std::path::PathBuf;

use clap::Args;

use super::RegistryArguments;
use crate::cli::Format;

#[derive(Debug, Args)]
#[command(after_help = "\
The digests of manifest and component are verified. Signatures are not: `policy verify` and `policy add` do that. The
file is written whole or not at all. Packed layers, indexes and artefacts of several layers are refused.

With --json: an object with reference, manifest, digest and file.

Examples:
  ginghamctl policy pull registry.example/team/sticky:1.0
  ginghamctl policy pull registry.example/team/sticky:1.0 -o /srv/policies/sticky.wasm --ca ca.pem")]
pub(crate) struct PullArguments {
    /// What is pulled: REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:HEX
    #[arg(value_name = "REF")]
    pub(crate) reference: String,
    /// Where it is written; an existing file is replaced [default: a new file, named as the repository, .wasm]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) registry: RegistryArguments,
    #[command(flatten)]
    pub(crate) format: Format,
}
