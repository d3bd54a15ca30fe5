//! `ginghamctl policy call`: one request, in memory.

mod bytes;
mod json;
mod show;
mod situation;

use std::io;
use std::path::PathBuf;

use gingham_engine::attachment::Request;
use gingham_engine::ipam::{IpamError, IpamResult};
use gingham_engine::library::Library;
use gingham_engine::unknown_keys::UnknownKey;
use gingham_untrusted::file::FileError;
use gingham_workbench::{Difference, Run, Scenario, ScenarioError};

use super::component::{self, ComponentError};
use crate::cli::CallArguments;
use crate::network::ConfigurationError;
use crate::output::Output;

/// Why there is no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error(transparent)]
    Component(#[from] ComponentError),
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error("{}: no plugin of it has `ipam`, so that no policy is called", .path.display())]
    NoIpam { path: PathBuf },
    #[error("{}: {source}", .path.display())]
    Cases { path: PathBuf, source: gingham_workbench::cases::ReadError },
    #[error("cannot read {}: {source}", .path.display())]
    Read { path: PathBuf, source: FileError },
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The policy refused, failed, or answered what a node does not accept.
    #[error("{0}")]
    Ipam(#[from] IpamError),
    #[error("policy {policy} is not deterministic, so that it cannot be replayed: {difference}")]
    Difference { policy: String, difference: Difference },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// A request that was made.
struct Called {
    scenario: Scenario,
    request: Request,
    run: Run<IpamResult>,
    /// Keys of the configuration that the policy does not know.
    unknown_keys: Vec<UnknownKey>,
}

pub(super) fn run(arguments: &CallArguments, library: &Library, out: &mut Output) -> Result<(), CallError> {
    let called = call(arguments, library)?;
    if arguments.format.json {
        out.json(&json::of(&called))?;
    } else {
        show::show(&called, out)?;
    }
    let policy = || called.scenario.policy().name().to_owned();
    let difference = called.run.difference.clone();
    called.run.result?;
    difference.map_or(Ok(()), |difference| Err(CallError::Difference { policy: policy(), difference }))
}

fn call(arguments: &CallArguments, library: &Library) -> Result<Called, CallError> {
    let (network, ipam) = situation::ipam(&arguments.config)?;
    let policy = component::load(&arguments.component, library)?;
    let mut scenario = Scenario::new(&policy, ipam)?;
    network.iter().for_each(|name| scenario.set_network_name(name));
    situation::prepare(&mut scenario, arguments)?;
    let request = situation::request(&mut scenario, arguments);
    scenario.set_trace(arguments.trace);
    let run = scenario.add(&request)?;
    let unknown_keys = scenario.unknown_keys();
    Ok(Called { scenario, request, run, unknown_keys })
}
