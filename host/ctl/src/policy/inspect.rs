//! `ginghamctl policy inspect`: what a policy states of itself, and whether it can be used; of refused ones, too.

mod cost;
mod facts;
mod report;

use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::compile::Compiler;
use gingham_engine::library::{Digest, Library, LibraryError};
use gingham_engine::runtime::{LoadError, Policy, Runtime};
use gingham_workbench::ScenarioError;

use super::installed_component::{self, InstalledComponentError};
use super::ipam_object::{self, IpamObjectError};
use super::list::ProvenanceJson;
use super::progress;
use super::source::{Source, SourceError};
use crate::cli::InspectArguments;
use crate::clock;
use crate::output::Output;
use crate::table::size;
use cost::Trial;
pub(super) use facts::{Inspected, Origin};

/// Why a policy cannot be shown, or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    #[error("no policy or file {policy:?}; use a name that `ginghamctl policy list` shows, or the path of a file")]
    Unknown { policy: String },
    #[error(transparent)]
    Installed(#[from] InstalledComponentError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{policy} cannot be used as a policy: {}", reasons.join("; "))]
    Refused { policy: String, reasons: Vec<String> },
    #[error(transparent)]
    Ipam(#[from] IpamObjectError),
    #[error("{}: {source}", .config.display())]
    Scenario { config: PathBuf, source: ScenarioError },
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

pub(super) fn run(arguments: &InspectArguments, library: &Library, out: &mut Output) -> Result<(), InspectError> {
    let ipam = arguments.config.as_deref().map(ipam_object::read).transpose()?;
    let subject = Subject::find(&arguments.policy, library)?;
    let (mut inspected, policy) = subject.inspect(library)?;
    if let (Some(policy), Some(ipam), Some(config)) = (policy, ipam, &arguments.config) {
        let failed = |source| InspectError::Scenario { config: config.clone(), source };
        inspected.trial = Some(Trial::of(&policy, ipam).map_err(failed)?);
    }
    inspected.installed_at = library.find(&arguments.policy)?.map(|installed| clock::utc(installed.installed_at));
    let provenance = library.provenance(&arguments.policy)?;
    inspected.provenance = ProvenanceJson::of(&provenance);
    if arguments.format.json {
        out.json(&inspected)?;
    } else {
        report::show(&inspected, &provenance, out)?;
    }
    if inspected.refused.is_empty() {
        return Ok(());
    }
    Err(InspectError::Refused { policy: arguments.policy.clone(), reasons: inspected.refused })
}

/// What is to be inspected.
struct Subject {
    name: String,
    component: Vec<u8>,
    origin: Origin,
}

impl Subject {
    fn find(policy: &str, library: &Library) -> Result<Self, InspectError> {
        if let Some(installed) = library.find(policy)? {
            let component = installed_component::read(library, policy, &installed.digest)?;
            return Ok(Self { name: policy.to_owned(), component, origin: Origin::Installed });
        }
        if let Some(built_in) = gingham_builtin::find(policy) {
            let component = built_in.component().to_vec();
            return Ok(Self { name: policy.to_owned(), component, origin: Origin::BuiltIn });
        }
        let path = Path::new(policy);
        if !path.exists() {
            return Err(InspectError::Unknown { policy: policy.to_owned() });
        }
        let Source { component, name } = Source::read(path)?;
        let digest = Digest::of(&component);
        let is_installed = library.list()?.iter().any(|(_, installed)| installed.digest == digest);
        Ok(Self { name, component, origin: if is_installed { Origin::InstalledFile } else { Origin::File } })
    }

    /// What a component is refused for only shows when it is compiled and started, unless that was done before.
    fn inspect(self, library: &Library) -> Result<(Inspected, Option<Policy>), InspectError> {
        let digest = Digest::of(&self.component);
        let mut inspected = Inspected::of(&self.name, &self.component, &digest, self.origin);
        let runtime = Runtime::new()?;
        let policy = match (self.origin, gingham_builtin::find(&self.name)) {
            (Origin::BuiltIn, Some(built_in)) => Some(built_in.load(&runtime)?),
            _ if library.is_compiled(&digest) => library.load_compiled(&runtime, &self.name, &digest).ok(),
            _ => None,
        };
        inspected.compiled = policy.is_some();
        if policy.is_some() || !inspected.refused.is_empty() {
            return Ok((inspected, policy));
        }
        let compiler = Compiler::new()?;
        let what = format!("compiling {} ({})", self.name, size(inspected.size));
        match progress::showing(&what, || compiler.load(&self.name, &self.component)) {
            Ok(policy) => Ok((inspected, Some(policy))),
            Err(refusal) => {
                inspected.refused.push(refusal.to_string());
                Ok((inspected, None))
            }
        }
    }
}
