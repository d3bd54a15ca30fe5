//! Signing, with a key of the user's.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gingham_engine::library::Digest;
use gingham_untrusted::file::{self, FileError};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use super::attached::{self, Attached};
use super::{NAMESPACE, PublicKey, Signer};
use crate::error::shown;
use crate::reference::Reference;

const LARGEST_KEY: u64 = 64 << 10;

/// A private key, or where SSH finds it.
pub enum SigningKey {
    /// `ssh-keygen` signs: it knows passphrases, agents and every form of key.
    Ssh {
        path: PathBuf,
    },
    Ecdsa {
        pair: Box<EcdsaKeyPair>,
        path: PathBuf,
    },
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error("cannot read the key {}: {source}", path.display())]
    Read { path: PathBuf, source: FileError },
    #[error("the key {} can be read by other users; run `chmod 600 {}`", path.display(), path.display())]
    Readable { path: PathBuf },
    #[error("the key {} is encrypted by cosign, which ginghamctl cannot read; use {instead}", path.display())]
    Cosign { path: PathBuf, instead: &'static str },
    #[error("the key {} cannot be used: {reason}", path.display())]
    Unusable { path: PathBuf, reason: &'static str },
    #[error(
        "the key {} is SSH's, and signatures in registries are cosign's, by ECDSA P-256; make such a key with `openssl genpkey \
         -algorithm EC -pkeyopt ec_paramgen_curve:P-256`",
        path.display()
    )]
    SshForReference { path: PathBuf },
    #[error("cannot run ssh-keygen: {source}; install the OpenSSH client")]
    NoSshKeygen { source: io::Error },
    #[error("ssh-keygen did not sign with {}: {reason}", path.display())]
    SshKeygen { path: PathBuf, reason: String },
}

impl SigningKey {
    /// # Errors
    /// [`SigningError`]
    pub fn read(path: &Path) -> Result<Self, SigningError> {
        let path = path.to_owned();
        let read = file::read_text(&path, LARGEST_KEY);
        let text = read.map_err(|source| SigningError::Read { path: path.clone(), source })?;
        let unusable = |reason| Err(SigningError::Unusable { path: path.clone(), reason });
        match text.trim_start().lines().next().unwrap_or_default().trim_end() {
            "-----BEGIN PRIVATE KEY-----" => Self::ecdsa(path, &text),
            // A public key: its private part is in the agent.
            "-----BEGIN OPENSSH PRIVATE KEY-----" => Ok(Self::Ssh { path }),
            line if line.starts_with("ssh-ed25519 ") => Ok(Self::Ssh { path }),
            "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----" | "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----" => {
                let instead = "`cosign sign --key` or `cosign sign-blob --key`: their signatures are verified here";
                Err(SigningError::Cosign { path, instead })
            }
            "-----BEGIN ENCRYPTED PRIVATE KEY-----" => {
                unusable("it is encrypted; decrypt it for this with `openssl pkey`")
            }
            "-----BEGIN EC PRIVATE KEY-----" | "-----BEGIN EC PARAMETERS-----" => {
                unusable("it is not PKCS#8; convert it with `openssl pkcs8 -topk8 -nocrypt`")
            }
            _ => unusable("it is neither an SSH key of type ed25519 nor an ECDSA P-256 key in PKCS#8"),
        }
    }

    fn ecdsa(path: PathBuf, text: &str) -> Result<Self, SigningError> {
        let unusable = |reason| SigningError::Unusable { path: path.clone(), reason };
        let mode = path.metadata().map(|metadata| metadata.permissions().mode());
        let mode = mode.map_err(|source| SigningError::Read { path: path.clone(), source: source.into() })?;
        if mode & 0o077 != 0 {
            return Err(SigningError::Readable { path });
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| unusable("its PEM is damaged"))?;
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.secret_pkcs8_der(), &random);
        let pair = pair.map_err(|_| unusable("it is not an ECDSA P-256 key"))?;
        Ok(Self::Ecdsa { pair: Box::new(pair), path })
    }

    /// Who signs, where this process knows it.
    pub fn signer(&self) -> Option<Signer> {
        match self {
            Self::Ssh { .. } => None,
            Self::Ecdsa { pair, .. } => PublicKey::of_point(pair.public_key().as_ref(), "").map(|key| key.signer()),
        }
    }

    /// The content of a file's signature file.
    pub fn sign_file(&self, content: &[u8]) -> Result<Vec<u8>, SigningError> {
        match self {
            Self::Ssh { path } => ssh_keygen(path, content),
            Self::Ecdsa { pair, path } => Ok(format!("{}\n", STANDARD.encode(sign(pair, path, content)?)).into_bytes()),
        }
    }

    /// A signature to attach to an artefact.
    pub fn sign_reference(&self, reference: &Reference, manifest: &Digest) -> Result<Attached, SigningError> {
        let (pair, path) = match self {
            Self::Ecdsa { pair, path } => (pair, path),
            Self::Ssh { path } => return Err(SigningError::SshForReference { path: path.clone() }),
        };
        let damaged =
            || SigningError::Unusable { path: path.clone(), reason: "what is to be signed cannot be written" };
        let payload = attached::payload(reference, manifest).ok_or_else(damaged)?;
        let signature = sign(pair, path, &payload)?;
        Ok(Attached::new(payload, &signature))
    }
}

fn sign(pair: &EcdsaKeyPair, path: &Path, content: &[u8]) -> Result<Vec<u8>, SigningError> {
    let signature = pair.sign(&SystemRandom::new(), content);
    let failed = |_| SigningError::Unusable { path: path.to_owned(), reason: "the system has no random numbers" };
    Ok(signature.map_err(failed)?.as_ref().to_vec())
}

/// It asks for a passphrase itself, on the terminal.
fn ssh_keygen(path: &Path, content: &[u8]) -> Result<Vec<u8>, SigningError> {
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "sign", "-n", NAMESPACE, "-f"]).arg(path);
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(|source| SigningError::NoSshKeygen { source })?;
    // If it ends before it has read all, its own message counts.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(content));
    let output = child.wait_with_output().map_err(|source| SigningError::NoSshKeygen { source })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let printed = String::from_utf8_lossy(&output.stderr);
    // Of a key that others can read, the last line says only that it was not found. A banner of @ stands above the reason.
    let lines: Vec<&str> = printed.lines().filter(|line| !line.starts_with('@') && !line.trim().is_empty()).collect();
    let reason = if lines.is_empty() { "it printed no reason".to_owned() } else { shown(&lines.join(" ")) };
    Err(SigningError::SshKeygen { path: path.to_owned(), reason })
}
