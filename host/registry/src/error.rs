//! Why a registry did not do what was asked.

use std::path::{Path, PathBuf};

use gingham_engine::library::Digest;
use gingham_untrusted::file::FileError;
use gingham_untrusted::text;

use crate::credentials::CredentialsError;

/// A registry that did not do what was asked. No message holds a secret, nor a registry's answer as it is.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("cannot read the certificates in {}: {source}", path.display())]
    ReadCa { path: PathBuf, source: FileError },
    #[error("{}: no usable certificate in PEM; use the file of the authority that signed the registry's certificate", path.display())]
    Ca { path: PathBuf },
    #[error("cannot start the HTTP client: {source}")]
    Runtime { source: std::io::Error },
    #[error("cannot reach {registry}: {reason}; check the name, the network, and HTTPS_PROXY and NO_PROXY")]
    Unreachable { registry: String, reason: String },
    #[error("the certificate of {registry} is not trusted: {reason}; {remedy}")]
    Certificate { registry: String, reason: String, remedy: &'static str },
    #[error("{registry} does not speak TLS; if it is meant to be reached unencrypted, add --plain-http")]
    NoTls { registry: String },
    #[error("{registry} did not finish within {seconds} s; a slow link may need a longer --timeout")]
    Timeout { registry: String, seconds: u64 },
    #[error("{registry} sent nothing for {seconds} s; try again later")]
    Stalled { registry: String, seconds: u64 },
    #[error(
        "{registry} redirects to {to}, which is not followed: it is unencrypted, no address, or one redirect too many"
    )]
    Redirect { registry: String, to: String },
    #[error(
        "{registry} requires a login, and there are no credentials for it in {}; run `docker login {registry}` or \
         `podman login {registry}`",
        files(searched)
    )]
    LoginRequired { registry: String, searched: Vec<PathBuf> },
    #[error(
        "{registry} rejected the user name or password from {place}; log in again with `docker login {registry}` or \
         `podman login {registry}`"
    )]
    LoginRejected { registry: String, place: String },
    #[error("{registry} does not permit {operation} with {account}; ask its administrator, or log in as another user")]
    Forbidden { registry: String, operation: String, account: String },
    #[error("{registry} asks for a login of a kind that is not supported ({scheme}); Basic and Bearer are")]
    Scheme { registry: String, scheme: String },
    #[error(
        "{registry} asks to send its credentials to {realm}; that is refused: a token server must have an https address"
    )]
    Realm { registry: String, realm: String },
    #[error("{reference} does not exist; check the repository and the tag")]
    NotFound { reference: String },
    #[error("{registry} limits how often it is asked, and the limit is reached; log in, or try again later")]
    TooManyRequests { registry: String },
    #[error("{registry} failed {operation} with status {status}{}", reason_of(reason.as_deref()))]
    Status { registry: String, operation: String, status: u16, reason: Option<String> },
    #[error("{what} of {registry} is larger than {limit} bytes, the most that is read")]
    TooLarge { registry: String, what: &'static str, limit: u64 },
    #[error("{registry} sent {what} compressed ({encoding}), which was not asked for; nothing was unpacked")]
    Compressed { registry: String, what: &'static str, encoding: String },
    #[error(
        "{what} of {reference} has digest {actual} instead of {expected}: the registry's copy is damaged or was replaced"
    )]
    Digest { reference: String, what: &'static str, expected: Digest, actual: Digest },
    #[error("{registry} sent {what} that cannot be read: {reason}")]
    Malformed { registry: String, what: &'static str, reason: String },
    #[error("{reference} is not a policy: {reason}")]
    NotAPolicy { reference: String, reason: String },
    #[error("{reference} has neither a tag nor a digest; append :TAG or @sha256:HEX")]
    NoVersion { reference: String },
    #[error("{reference}: what is pushed gets a tag, not a digest; use REGISTRY/REPOSITORY:TAG")]
    PushToDigest { reference: String },
}

fn files(paths: &[PathBuf]) -> String {
    let shown: Vec<_> = paths.iter().map(|path: &PathBuf| Path::display(path).to_string()).collect();
    shown.join(", ")
}

fn reason_of(reason: Option<&str>) -> String {
    reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
}

/// A text of the registry's as part of a message: a line, and not too long a one.
pub(crate) fn shown(foreign: &str) -> String {
    const LONGEST: usize = 160;
    let line = text::line(foreign.trim());
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.into_owned(),
    }
}
