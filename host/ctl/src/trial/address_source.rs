//! Where the addresses of a network come from: found the way the plugin finds it.

use std::path::{Path, PathBuf};

use gingham_builtin::BuiltIn;
use gingham_engine::library::{Installed, Library, LibraryError, artefact_key};
use gingham_engine::runtime::{LoadError, Runtime};

use super::config::TrialConfig;

/// The plugin's own name in a configuration, whatever name it runs under.
const OWN_NAME: &str = "gingham";

pub(super) enum AddressSource {
    /// No source: the network is one of layer 2.
    None,
    /// A policy inside the plugin.
    BuiltIn { name: String, digest: String },
    /// A policy of this machine's library.
    Installed(Box<InstalledPolicy>),
    /// A policy that is not there, or none: the plugin will say what is wrong.
    Unknown { name: String },
    /// Another IPAM plugin.
    Other { plugin: String },
}

/// An installed policy with its files.
pub(super) struct InstalledPolicy {
    pub(super) name: String,
    pub(super) installed: Installed,
    pub(super) component: Vec<u8>,
    pub(super) artefact: Vec<u8>,
}

/// An installed policy that cannot be taken along.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressSourceError {
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error(transparent)]
    Runtime(#[from] LoadError),
    #[error("cannot read {path}: {source}; install the policy again with `ginghamctl policy add`")]
    Read { path: PathBuf, source: std::io::Error },
}

impl AddressSource {
    /// Of a configuration.
    pub(super) fn of(config: &TrialConfig, library_dir: &Path) -> Result<Self, AddressSourceError> {
        let Some(plugin) = config.ipam_text("type") else { return Ok(Self::None) };
        let named = config.ipam_text("policy").unwrap_or(plugin);
        let name = named.split_once('@').map_or(named, |(name, _)| name);
        let is_own = plugin == OWN_NAME || plugin == config.kind;
        match Self::policy(if is_own { name } else { plugin }, library_dir)? {
            Self::Unknown { .. } if !is_own => Ok(Self::Other { plugin: plugin.to_owned() }),
            _ if !is_own && name != plugin => Self::policy(name, library_dir),
            found => Ok(found),
        }
    }

    /// The name of a policy that divides no range among nodes. None if it does, or if the plugin will say what is wrong.
    pub(super) fn undivided(&self, library_dir: &Path) -> Result<Option<&str>, AddressSourceError> {
        let (name, policy) = match self {
            Self::BuiltIn { name, .. } => match gingham_builtin::find(name) {
                Some(built_in) => (name, built_in.load(&Runtime::new()?)?),
                None => return Ok(None),
            },
            Self::Installed(policy) => {
                let library = Library::open(library_dir)?;
                (&policy.name, library.load(&Runtime::new()?, &policy.name, &policy.installed)?)
            }
            Self::None | Self::Unknown { .. } | Self::Other { .. } => return Ok(None),
        };
        Ok((!policy.is_cluster()).then_some(name.as_str()))
    }

    fn policy(name: &str, library_dir: &Path) -> Result<Self, AddressSourceError> {
        let built_in = gingham_builtin::find(name);
        let found = Library::open(library_dir).and_then(|library| Ok((library.find(name)?, library)));
        let (installed, library) = match found {
            Ok(found) => found,
            // An ordinary user tries a built-in policy where the library is root's alone.
            Err(_) if let Some(policy) = built_in => return Ok(Self::of_built_in(policy)),
            Err(error) => return Err(error.into()),
        };
        Ok(match (installed, built_in) {
            (Some(installed), _) => {
                Self::Installed(Box::new(InstalledPolicy::read(name, installed, &library, library_dir)?))
            }
            (None, Some(policy)) => Self::of_built_in(policy),
            (None, None) => Self::Unknown { name: name.to_owned() },
        })
    }

    fn of_built_in(policy: &BuiltIn) -> Self {
        Self::BuiltIn { name: policy.name.to_owned(), digest: policy.digest.to_owned() }
    }
}

impl InstalledPolicy {
    fn read(
        name: &str,
        installed: Installed,
        library: &Library,
        library_dir: &Path,
    ) -> Result<Self, AddressSourceError> {
        // Loading checks whose the files are and what they were compiled for: what a node would not run is not tried.
        library.load(&Runtime::new()?, name, &installed)?;
        let read = |directory: &str, extension: &str| {
            let path = library_dir.join(directory).join(format!("{}.{extension}", installed.digest.hex()));
            std::fs::read(&path).map_err(|source| AddressSourceError::Read { path, source })
        };
        let component = read("components", "wasm")?;
        let artefact = read(&format!("compiled/{}", artefact_key()), "cwasm")?;
        Ok(Self { name: name.to_owned(), installed, component, artefact })
    }
}
