//! One call of the plugin: everything that came in, readable.

use std::path::{Path, PathBuf};

use gingham_cni::args::Arguments;
use gingham_cni::config::NetworkConfig;
use gingham_cni::env::Environment;

use crate::bridge_config::BridgeKeys;
use crate::delegate::Delegate;
use crate::error::NetworkError;
use crate::plan::{self, Role};
use crate::policies::Policies;

/// What the runtime handed over.
pub struct Call {
    /// The name the plugin runs under.
    pub program: String,
    /// Who works on the network, for its history: the verb, or "tool".
    pub(crate) by: String,
    /// `CNI_ARGS`, unread: DEL and GC do not care.
    arguments: String,
    path: Vec<PathBuf>,
    /// Whether the container may share the plugin's network namespace.
    pub netns_override: bool,
    pub config: NetworkConfig,
    pub bridge: BridgeKeys,
    /// Standard input to the byte, for delegated plugins.
    input: Vec<u8>,
    /// Those inside the binary alone where the library cannot be used.
    pub(crate) policies: Policies,
    /// Why the library cannot be used.
    pub(crate) library_fault: Option<NetworkError>,
}

impl Call {
    /// `library` is the directory of installed policies.
    pub fn new(program: &str, environment: Environment, config: NetworkConfig, input: Vec<u8>, library: &Path) -> Self {
        let Environment { verb, arguments, path, netns_override } = environment;
        let by = verb.map_or_else(|_| "unknown".to_owned(), |verb| verb.name().to_owned());
        let (policies, library_fault) = match Policies::open(library) {
            Ok(policies) => (policies, None),
            Err(fault) => (Policies::built_in(), Some(fault.into())),
        };
        let bridge = BridgeKeys::read(&config.object);
        let program = program.to_owned();
        Self { program, by, arguments, path, netns_override, config, bridge, input, policies, library_fault }
    }

    pub fn role(&self) -> Result<Role, NetworkError> {
        // A library that cannot be read is reported by what needs it.
        Ok(plan::role(&self.program, &self.config, |name| self.policies.contains(name))?)
    }

    /// The link on which the network's addresses are used.
    pub fn link(&self) -> Option<String> {
        plan::link(&self.program, &self.config, &self.bridge)
    }

    pub fn arguments(&self) -> Result<Arguments, NetworkError> {
        Ok(Arguments::parse(&self.arguments)?)
    }

    pub fn delegate<'a>(&'a self, plugin: &'a str) -> Delegate<'a> {
        Delegate { plugin, path: &self.path, input: &self.input }
    }
}
