//! One call of the plugin: everything that came in, readable.

use std::path::PathBuf;

use gingham_engine::settings::default_library;

use crate::cni::args::Arguments;
use crate::cni::config::NetworkConfig;
use crate::cni::env::Environment;
use crate::cni::error::CniError;
use crate::delegate::Delegate;
use crate::plan::{self, Role};
use crate::policies::Policies;

/// What the runtime handed over.
pub(crate) struct Call {
    /// The name the plugin runs under.
    pub(crate) program: String,
    /// `CNI_ARGS`, unread: DEL and GC do not care.
    pub(crate) arguments: String,
    /// `CNI_PATH`.
    pub(crate) path: Vec<PathBuf>,
    /// Whether the container may share the plugin's network namespace.
    pub(crate) netns_override: bool,
    /// The network configuration.
    pub(crate) config: NetworkConfig,
    /// Standard input to the byte, for delegated plugins.
    pub(crate) input: Vec<u8>,
    /// The directory of installed policies.
    pub(crate) library: PathBuf,
}

impl Call {
    pub(crate) fn new(program: &str, environment: Environment, config: NetworkConfig, input: Vec<u8>) -> Self {
        let Environment { arguments, path, netns_override, .. } = environment;
        Self { program: program.to_owned(), arguments, path, netns_override, config, input, library: default_library() }
    }

    pub(crate) fn role(&self) -> Result<Role, CniError> {
        let is_policy = |name: &str| {
            // A library that cannot be read is reported by what needs it.
            Policies::open(&self.library).unwrap_or_else(|_| Policies::built_in()).contains(name)
        };
        Ok(plan::role(&self.program, &self.config, is_policy)?)
    }

    pub(crate) fn arguments(&self) -> Result<Arguments, CniError> {
        Ok(Arguments::parse(&self.arguments)?)
    }

    pub(crate) fn delegate<'a>(&'a self, plugin: &'a str) -> Delegate<'a> {
        Delegate { plugin, path: &self.path, input: &self.input }
    }
}
