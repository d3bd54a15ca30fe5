//! One call of the plugin: everything that came in, readable.

use std::path::PathBuf;

use gingham_cni::args::Arguments;
use gingham_cni::config::NetworkConfig;
use gingham_cni::env::Environment;
use gingham_engine::settings::default_library;

use crate::delegate::Delegate;
use crate::error::NetworkError;
use crate::plan::{self, Role};
use crate::policies::Policies;

/// What the runtime handed over.
pub struct Call {
    /// The name the plugin runs under.
    pub program: String,
    /// `CNI_ARGS`, unread: DEL and GC do not care.
    pub arguments: String,
    /// `CNI_PATH`.
    pub path: Vec<PathBuf>,
    /// Whether the container may share the plugin's network namespace.
    pub netns_override: bool,
    /// The network configuration.
    pub config: NetworkConfig,
    /// Standard input to the byte, for delegated plugins.
    pub input: Vec<u8>,
    /// The directory of installed policies.
    pub library: PathBuf,
}

impl Call {
    pub fn new(program: &str, environment: Environment, config: NetworkConfig, input: Vec<u8>) -> Self {
        let Environment { arguments, path, netns_override, .. } = environment;
        Self { program: program.to_owned(), arguments, path, netns_override, config, input, library: default_library() }
    }

    pub fn role(&self) -> Result<Role, NetworkError> {
        let is_policy = |name: &str| {
            // A library that cannot be read is reported by what needs it.
            Policies::open(&self.library).unwrap_or_else(|_| Policies::built_in()).contains(name)
        };
        Ok(plan::role(&self.program, &self.config, is_policy)?)
    }

    pub fn arguments(&self) -> Result<Arguments, NetworkError> {
        Ok(Arguments::parse(&self.arguments)?)
    }

    pub fn delegate<'a>(&'a self, plugin: &'a str) -> Delegate<'a> {
        Delegate { plugin, path: &self.path, input: &self.input }
    }
}
