//! The command line of `ginghamctl policy verify`.

use std::path::PathBuf;

use clap::Args;

use super::{RegistryArguments, TrustArguments};
use crate::cli::Format;

#[derive(Debug, Args)]
#[command(after_help = "\
A file's signature is in FILE.sig. A signature in a registry must be for the manifest's digest and for the repository it
is verified under. Read are signatures by SSH keys of type ed25519 (files) and by ECDSA P-256 keys (files, registries;
as cosign makes them with key pairs). Not read are signatures of cosign without keys, and those in its newer form of
bundles. No transparency log is asked: a signature is valid as long as its key is listed.

With --json: an object with verified (FILE, or the reference with its manifest's digest), digest (of a file's content)
and signer (fingerprint, comment).

Exit status: 0 if a listed key signed it, 1 if not, also where the trust file requires no signature.

Examples:
  ginghamctl policy verify sticky.wasm --key team.pub
  ginghamctl policy verify registry.example/team/sticky:1.0")]
pub(crate) struct VerifyArguments {
    /// A .wasm file, or a policy in a registry; an existing file is meant first, <oci://REF> is always a registry
    #[arg(value_name = "FILE|REF")]
    pub(crate) policy: PathBuf,
    /// A public key instead of those of the trust file: its file, or a line `ssh-ed25519 …`; can be repeated
    #[arg(long = "key", value_name = "KEY", conflicts_with = "trust")]
    pub(crate) keys: Vec<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    #[command(flatten)]
    pub(crate) registry: RegistryArguments,
    #[command(flatten)]
    pub(crate) format: Format,
}
