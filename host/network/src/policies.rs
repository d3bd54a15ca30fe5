//! The policies of this node: those installed on it, and those inside the binary.

use std::path::Path;

use gingham_builtin::BuiltIn;
use gingham_engine::library::{Installed, Library, LibraryError};
use gingham_engine::runtime::{LoadError, Policy, Runtime};

use crate::plan::PolicyChoice;

/// A policy that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Neither installed nor built in. CNI code 7.
    #[error("ipam: unknown policy {name:?}: built in are {}; install others with ginghamctl policy add", built_in())]
    Unknown { name: String },
    /// The name stands for another component than the configuration wants. CNI code 7.
    #[error(
        "ipam.policy: policy {name} has another digest on this node: found {found}, expected {wanted}; install that version, or change the pinned digest"
    )]
    OtherDigest { name: String, found: String, wanted: String },
    /// The library of installed policies cannot be used. CNI code 5.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// It does not load. CNI code 5.
    #[error(transparent)]
    Load(#[from] LoadError),
}

pub(crate) fn built_in() -> String {
    gingham_builtin::BUILT_IN.iter().map(|policy| policy.name).collect::<Vec<_>>().join(", ")
}

/// What a name stands for. An installed policy hides a built-in one of the same name, as its installer meant.
enum Found {
    Installed(Installed),
    BuiltIn(&'static BuiltIn),
}

pub(crate) struct Policies {
    library: Option<Library>,
}

impl Policies {
    pub(crate) fn open(library: &Path) -> Result<Self, PolicyError> {
        Ok(Self { library: Some(Library::open(library)?) })
    }

    /// Those inside the binary alone, where the library cannot be opened and the work must go on.
    pub(crate) fn built_in() -> Self {
        Self { library: None }
    }

    /// Whether the name is a policy's. One whose installation is damaged is one, too: to look for a plugin of that name
    /// instead would hide the damage.
    pub(crate) fn contains(&self, name: &str) -> bool {
        !matches!(self.find(name), Ok(None))
    }

    /// Loads a policy.
    pub(crate) fn load(&self, choice: &PolicyChoice) -> Result<Policy, PolicyError> {
        let name = &choice.name;
        let found = self.find(name)?.ok_or_else(|| PolicyError::Unknown { name: name.clone() })?;
        if let Some(wanted) = choice.digest.as_ref().filter(|wanted| **wanted != found.digest()) {
            return Err(PolicyError::OtherDigest { name: name.clone(), found: found.digest(), wanted: wanted.clone() });
        }
        let runtime = Runtime::new()?;
        let digest = found.digest();
        let policy = match (found, &self.library) {
            (Found::Installed(installed), Some(library)) => library.load(&runtime, name, &installed)?,
            (Found::BuiltIn(policy), _) => policy.load(&runtime)?,
            (Found::Installed(_), None) => return Err(PolicyError::Unknown { name: name.clone() }),
        };
        tracing::debug!(policy = name, digest, "policy loaded");
        Ok(policy.with_digest(&digest))
    }

    /// The digest of the component that a name stands for, if there is one.
    pub(crate) fn digest(&self, name: &str) -> Option<String> {
        self.find(name).ok().flatten().map(|found| found.digest())
    }

    /// Whether a name stands for a policy that has a release hook.
    pub(crate) fn has_release(&self, name: &str) -> bool {
        self.find(name).ok().flatten().is_some_and(|found| found.has_release())
    }

    /// Loads a policy if it is there and has a release hook.
    pub(crate) fn load_for_release(&self, choice: &PolicyChoice) -> Result<Option<Policy>, PolicyError> {
        match self.find(&choice.name)? {
            Some(found) if found.has_release() => self.load(choice).map(Some),
            _ => Ok(None),
        }
    }

    fn find(&self, name: &str) -> Result<Option<Found>, LibraryError> {
        let installed = match &self.library {
            Some(library) => library.find(name)?.map(Found::Installed),
            None => None,
        };
        Ok(installed.or_else(|| gingham_builtin::find(name).map(Found::BuiltIn)))
    }
}

impl Found {
    fn digest(&self) -> String {
        match self {
            Self::Installed(installed) => installed.digest.to_string(),
            Self::BuiltIn(policy) => policy.digest.to_owned(),
        }
    }

    fn has_release(&self) -> bool {
        match self {
            Self::Installed(installed) => installed.has_release,
            Self::BuiltIn(policy) => policy.has_release,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_networks_of_a_process_have_the_same_built_in_policy() {
        let policies = Policies::built_in();
        let choice = PolicyChoice { name: "host-local".to_owned(), digest: None };
        let first = policies.load(&choice).unwrap();
        let second = policies.load(&choice).unwrap();
        assert_eq!(first.name(), second.name());
    }
}
