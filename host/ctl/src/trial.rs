//! `ginghamctl try`: two containers join a network and leave it, in namespaces of their own.

mod address_source;
mod answer;
mod config;
mod container;
mod plugin;
mod pod_facts;
mod pods;
mod report;
mod sandbox;
mod several_nodes;
mod steps;
mod udp_echo;

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use crate::cli::TryArguments;
use crate::output::Output;
use address_source::AddressSource;
use config::TrialConfig;
use plugin::PluginFile;
use pods::TrialPods;
use report::TrialReport;
use sandbox::{CarriedOver, Sandbox};

/// Tries a network. Everything that is needed of this machine is read first; then the machine is out of sight.
pub(crate) fn run(arguments: &TryArguments, library_dir: &Path, out: &mut Output) -> Result<(), Box<dyn Error>> {
    if let Some(count) = arguments.cluster {
        return several_nodes::run(arguments, count, library_dir, out);
    }
    let start = Instant::now();
    let config = TrialConfig::read(arguments.config.as_deref())?;
    let plugin = PluginFile::find(arguments.plugin.as_deref())?;
    let address_source = AddressSource::of(&config, library_dir)?;
    let carried = CarriedOver::pack(&address_source, config.resolv_conf());
    let sandbox = Sandbox::enter()?;
    carried.unpack()?;
    let plugin = plugin.install(&config)?;
    let pods = TrialPods::of(arguments);
    pod_facts::write(arguments, &pods, config.data_dir())?;
    let mut report = TrialReport::new(out);
    report.begin(&config, &address_source, sandbox.has_user_namespace())?;
    steps::walk(&config, &address_source, &plugin, &pods, &mut report)?;
    Ok(report.end(start.elapsed())?)
}
