//! `ginghamctl try --cluster N`: several nodes that divide a range, one of which is lost.

mod node;
mod nodes;
mod snapshot;
mod steps;
mod store;

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use super::address_source::AddressSource;
use super::config::{ConfigError, TrialConfig};
use super::plugin::PluginFile;
use super::report::TrialReport;
use super::sandbox::{CarriedOver, Sandbox};
use crate::cli::TryArguments;
use crate::clock::format_duration;
use crate::output::Output;
use node::Trial;
use store::StorePlan;

/// What keeps the routes on each node.
const AGENT: &str = "gingham-node";

/// Tries a network on so many nodes. As for one node, everything that is needed of this machine is read first.
pub(super) fn run(
    arguments: &TryArguments,
    count: u8,
    library_dir: &Path,
    out: &mut Output,
) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let config = TrialConfig::read_for_nodes(arguments.config.as_deref())?;
    let plugin = PluginFile::find(arguments.plugin.as_deref())?;
    let address_source = AddressSource::of(&config, library_dir)?;
    if let Some(policy) = address_source.undivided(library_dir)? {
        return Err(ConfigError::NotDivided { title: config.title.clone(), policy: policy.to_owned() }.into());
    }
    let carried = CarriedOver::pack(&address_source, config.resolv_conf());
    let agent = PluginFile::beside(AGENT);
    let plan = StorePlan::of(arguments.store)?;
    let sandbox = Sandbox::enter()?;
    carried.unpack()?;
    let plugin = plugin.install(&config)?;
    let agent = agent.map(|file| file.install_as(AGENT)).transpose()?;
    let mut report = TrialReport::new(out);
    report.begin(&config, &address_source, sandbox.has_user_namespace())?;
    let coming_up = Instant::now();
    let nodes = nodes::create(count)?;
    let names: Vec<String> = nodes.iter().map(|node| format!("{} {}", node.name, node.address)).collect();
    let (names, time) = (names.join(", "), format_duration(coming_up.elapsed()));
    report.line("nodes", format!("{names}: separate namespaces on one link, up in {time}"))?;
    let agreed = plan.start(&mut report)?;
    let trial = Trial {
        config: &config,
        plugin: &plugin,
        agent: agent.as_deref(),
        pod_namespace: &arguments.pod_namespace,
        store: &agreed,
    };
    steps::walk(&trial, nodes, &mut report)?;
    drop(agreed);
    Ok(report.end(start.elapsed())?)
}
