//! The command line of `ginghamctl policy sign`.

use std::path::PathBuf;

use clap::Args;

use super::RegistryArguments;
use crate::cli::Format;

#[derive(Debug, Args)]
#[command(after_help = "\
A file's signature is written to FILE.sig: by an SSH key of type ed25519 as `ssh-keygen -Y sign -n gingham-policy`
writes it (ssh-keygen is called: it asks for a passphrase, and uses an agent if KEY is a public key), or by an ECDSA
P-256 key as `cosign sign-blob` writes it. A policy in a registry is signed with an ECDSA P-256 key, in the form of
cosign's signatures with key pairs: an artefact with the tag sha256-HEX.sig beside it. Signatures that are there stay.

KEY is a file: an OpenSSH key, or an unencrypted private key in PKCS#8. A key that cosign encrypted cannot be read here:
sign with cosign itself.

With --json: an object with signed (FILE, or the reference with its manifest's digest), signature (where it is) and
signer (the key's fingerprint; null for SSH keys).

Examples:
  ginghamctl policy sign sticky.wasm --key ~/.ssh/id_ed25519
  ginghamctl policy sign registry.example/team/sticky:1.0 --key team.key")]
pub(crate) struct SignArguments {
    /// A .wasm file, or a policy in a registry; an existing file is meant first, <oci://REF> is always a registry
    #[arg(value_name = "FILE|REF")]
    pub(crate) policy: PathBuf,
    /// The private key
    #[arg(long, value_name = "KEY")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) registry: RegistryArguments,
    #[command(flatten)]
    pub(crate) format: Format,
}
