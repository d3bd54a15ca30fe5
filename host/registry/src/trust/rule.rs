//! The rules as they are written.

use std::path::Path;

use serde::Deserialize;

use super::protected::{self, Fault};
use super::{KeyFault, Origin, Place, TrustError};
use crate::signature::PublicKey;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    #[serde(default)]
    trust: Vec<WrittenRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    files: bool,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default = "required")]
    require: bool,
}

fn required() -> bool {
    true
}

/// Whose signatures count for which policies.
#[derive(Debug)]
pub struct Rule {
    references: Vec<Pattern>,
    files: bool,
    pub keys: Vec<PublicKey>,
    pub(super) require: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    All,
    Repository(String),
    /// With its slash: `registry.example/team` is not `registry.example/teams`.
    Below(String),
}

impl Written {
    pub(super) fn rules(self, path: &Path) -> Result<Vec<Rule>, TrustError> {
        self.trust.into_iter().enumerate().map(|(index, rule)| rule.read(path, index + 1)).collect()
    }
}

impl WrittenRule {
    fn read(self, path: &Path, rule: usize) -> Result<Rule, TrustError> {
        let fault = |reason: String| TrustError::Syntax { path: path.to_owned(), place: Place::Rule(rule), reason };
        if self.references.is_empty() && !self.files {
            return Err(fault(
                "it is for nothing; add references = [\"REGISTRY/REPOSITORY\"] or files = true".to_owned(),
            ));
        }
        if self.keys.is_empty() && self.require {
            return Err(fault("it requires a signature and has no keys; add keys, or require = false".to_owned()));
        }
        let pattern = |text: &String| {
            let invalid = || fault(format!("invalid pattern {text:?}: use REGISTRY/REPOSITORY, REGISTRY/PART/* or *"));
            Pattern::read(text).ok_or_else(invalid)
        };
        let key = |text: &String| {
            let fault = |source| TrustError::Key { path: path.to_owned(), rule, key: short(text), source };
            read_key(text).map_err(fault)
        };
        Ok(Rule {
            references: self.references.iter().map(pattern).collect::<Result<_, _>>()?,
            files: self.files,
            keys: self.keys.iter().map(key).collect::<Result<_, _>>()?,
            require: self.require,
        })
    }
}

/// A key that is written in the rule may be long.
fn short(text: &str) -> String {
    const LONGEST: usize = 40;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

fn read_key(text: &str) -> Result<PublicKey, KeyFault> {
    if PublicKey::is_inline(text) {
        return Ok(PublicKey::parse(text, "")?);
    }
    let path = Path::new(text);
    // Another file in each working directory, and the node agent has its own.
    if !path.is_absolute() {
        return Err(KeyFault::Form);
    }
    let bytes = protected::read(path).map_err(|fault| match fault {
        Fault::File(error) => KeyFault::Read(error),
        Fault::Protection(fault) => KeyFault::Unprotected(fault),
    })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(PublicKey::parse(&String::from_utf8_lossy(&bytes), &name)?)
}

impl Pattern {
    fn read(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        let (start, below) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
        let good = start.contains('/') && !start.contains('*') && !start.contains('@') && !start.starts_with("oci://");
        let good = good && (!below || start.ends_with('/')) && (below || !start.ends_with('/'));
        let start = start.to_owned();
        good.then_some(if below { Self::Below(start) } else { Self::Repository(start) })
    }

    fn fits(&self, identity: &str) -> bool {
        match self {
            Self::All => true,
            Self::Repository(repository) => repository == identity,
            Self::Below(start) => identity.starts_with(start.as_str()),
        }
    }
}

impl Rule {
    pub(super) fn fits(&self, origin: Origin<'_>) -> bool {
        match origin {
            Origin::File(_) | Origin::Object(_) => self.files,
            Origin::Reference(reference) => {
                let identity = reference.identity();
                self.references.iter().any(|pattern| pattern.fits(&identity))
            }
        }
    }
}
