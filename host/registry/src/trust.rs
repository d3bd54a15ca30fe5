//! Which signatures a node requires: `/etc/gingham/trust.toml`.
//!
//! Without the file nothing is required. With it, whatever no rule permits is refused; and so is everything, if the file
//! has a fault.

mod protected;
mod rule;

use std::fmt;
use std::path::{Path, PathBuf};

use gingham_untrusted::file::FileError;

use crate::error::RegistryError;
use crate::reference::Reference;
use crate::signature::{KeyError, SignatureError, Signer};
use rule::{Rule, Written};

pub const TRUST_FILE: &str = "/etc/gingham/trust.toml";

/// What a policy comes from.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    File(&'a Path),
    Reference(&'a Reference),
    /// A component inside an object of Kubernetes, which the text names. The rules for files are for it.
    Object(&'a str),
}

/// The rules of a trust file.
#[derive(Debug)]
pub struct Trust {
    path: PathBuf,
    rules: Vec<Rule>,
}

/// What the rules say of a policy.
#[derive(Debug)]
pub enum Verdict {
    SignedBy(Signer),
    /// The rule does not require a signature, and none counts.
    Unsigned {
        because: Option<SignatureError>,
    },
}

/// Why a policy is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("cannot read the trust file {}: {source}; until it can be read, no policy is installed", path.display())]
    Read { path: PathBuf, source: FileError },
    #[error(
        "{} {fault}; until that is changed, no policy is installed: others could decide whom this node trusts",
        path.display()
    )]
    Unprotected { path: PathBuf, fault: &'static str },
    #[error("{}{place}: {reason}; until it is corrected, no policy is installed", path.display())]
    Syntax { path: PathBuf, place: Place, reason: String },
    #[error("{}, rule {rule}: key {key}: {source}; until it is corrected, no policy is installed", path.display())]
    Key { path: PathBuf, rule: usize, key: String, source: KeyFault },
    #[error("{} has no rule for {origin}, so it is refused; add a [[trust]] with {}", path.display(), origin.rule())]
    NoRule { path: PathBuf, origin: Named },
    #[error("{origin}: {source}; rule {rule} of {} requires a signature by {keys}", path.display())]
    Untrusted { path: PathBuf, rule: usize, origin: Named, keys: String, source: Box<SignatureError> },
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("cannot read the signature {}: {source}", path.display())]
    Signature { path: PathBuf, source: FileError },
}

#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("cannot read it: {0}")]
    Read(#[from] FileError),
    #[error("its file {0}")]
    Unprotected(&'static str),
    #[error("it is neither an absolute path, nor a line `ssh-ed25519 …`, nor a block of PEM; use one of them")]
    Form,
}

/// Where in a file.
#[derive(Debug)]
pub enum Place {
    Line(usize),
    Rule(usize),
    File,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, ", line {line}"),
            Self::Rule(rule) => write!(f, ", rule {rule}"),
            Self::File => Ok(()),
        }
    }
}

/// An origin in a message.
#[derive(Debug)]
pub enum Named {
    File(PathBuf),
    Repository(String),
    Object(String),
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Repository(text) | Self::Object(text) => f.write_str(text),
        }
    }
}

impl Named {
    fn rule(&self) -> String {
        match self {
            Self::File(_) | Self::Object(_) => "files = true".to_owned(),
            Self::Repository(identity) => format!("references = [\"{identity}\"]"),
        }
    }
}

impl Origin<'_> {
    fn named(self) -> Named {
        match self {
            Self::File(path) => Named::File(path.to_owned()),
            Self::Reference(reference) => Named::Repository(reference.identity()),
            Self::Object(name) => Named::Object(name.to_owned()),
        }
    }
}

impl Trust {
    /// Reads a trust file, and the keys it names. Nothing if there is none.
    ///
    /// # Errors
    /// [`TrustError`]
    pub fn read(path: &Path) -> Result<Option<Self>, TrustError> {
        let text = match protected::read(path) {
            Ok(bytes) => String::from_utf8(bytes),
            Err(protected::Fault::File(FileError::Io(error))) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(protected::Fault::File(source)) => return Err(TrustError::Read { path: path.to_owned(), source }),
            Err(protected::Fault::Protection(fault)) => {
                return Err(TrustError::Unprotected { path: path.to_owned(), fault });
            }
        };
        let syntax = |place, reason: String| TrustError::Syntax { path: path.to_owned(), place, reason };
        let text = text.map_err(|_| syntax(Place::File, "it is not UTF-8".to_owned()))?;
        let written: Written = toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            syntax(Place::Line(line), error.message().lines().collect::<Vec<_>>().join(" "))
        })?;
        let rules = written.rules(path)?;
        Ok(Some(Self { path: path.to_owned(), rules }))
    }

    /// What the first rule that fits says. It calls `verify` with the rule's keys.
    ///
    /// # Errors
    /// [`TrustError`]: no rule fits, or the one that does requires what is not there.
    pub fn check(
        &self,
        origin: Origin<'_>,
        verify: impl FnOnce(&Rule) -> Result<Result<Signer, SignatureError>, TrustError>,
    ) -> Result<Verdict, TrustError> {
        let fitting = self.rules.iter().position(|rule| rule.fits(origin));
        let no_rule = || TrustError::NoRule { path: self.path.clone(), origin: origin.named() };
        let index = fitting.ok_or_else(no_rule)?;
        let rule = &self.rules[index];
        if rule.keys.is_empty() {
            return Ok(Verdict::Unsigned { because: None });
        }
        match verify(rule)? {
            Ok(signer) => Ok(Verdict::SignedBy(signer)),
            Err(error) if !rule.require => Ok(Verdict::Unsigned { because: Some(error) }),
            Err(source) => Err(TrustError::Untrusted {
                path: self.path.clone(),
                rule: index + 1,
                origin: origin.named(),
                keys: rule.keys.iter().map(|key| key.signer().to_string()).collect::<Vec<_>>().join(" or "),
                source: Box::new(source),
            }),
        }
    }
}
