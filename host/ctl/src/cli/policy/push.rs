//! The command line of `ginghamctl policy push`.

use std::path::PathBuf;

use clap::Args;

use super::RegistryArguments;
use crate::cli::Format;

#[derive(Debug, Args)]
#[command(after_help = "\
FILE is checked as `policy add` checks it, and is pushed in the form that wkg and other Wasm tools use: one layer of
type application/wasm. The digest of the layer is the policy's digest, which a configuration can pin. The digest of the
manifest is what REF@sha256:HEX pins. The same policy always has the same two digests.

Credentials are those of `docker login` and `podman login`, also from credential helpers. Proxies are those of the
environment: HTTPS_PROXY, HTTP_PROXY, NO_PROXY.

With --json: an object with reference, manifest and digest.

Examples:
  ginghamctl policy push sticky.wasm registry.example/team/sticky:1.0
  ginghamctl policy push ./sticky localhost:5000/sticky:dev --plain-http")]
pub(crate) struct PushArguments {
    /// The policy: a .wasm file or the policy's directory
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Where it is pushed to: REGISTRY/REPOSITORY:TAG
    #[arg(value_name = "REF")]
    pub(crate) reference: String,
    #[command(flatten)]
    pub(crate) registry: RegistryArguments,
    #[command(flatten)]
    pub(crate) format: Format,
}
