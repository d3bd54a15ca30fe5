//! `ginghamctl try`: two containers join a network and leave it, in namespaces of their own.

mod answer;
mod chooser;
mod cluster;
mod config;
mod container;
mod plugin;
mod sandbox;
mod steps;
mod story;
mod udp_echo;

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use crate::cli::TryArguments;
use crate::output::Output;
use chooser::Chooser;
use config::TrialConfig;
use plugin::PluginFile;
use sandbox::{CarriedOver, Sandbox};
use story::Story;

/// Tries a network. Everything that is needed of this machine is read first; then the machine is out of sight.
pub(crate) fn run(arguments: &TryArguments, library_dir: &Path, out: &mut Output) -> Result<(), Box<dyn Error>> {
    if let Some(count) = arguments.cluster {
        return cluster::run(arguments, count, library_dir, out);
    }
    let start = Instant::now();
    let config = TrialConfig::read(arguments.config.as_deref())?;
    let plugin = PluginFile::find(arguments.plugin.as_deref())?;
    let chooser = Chooser::of(&config, library_dir)?;
    let carried = CarriedOver::pack(&chooser, config.resolv_conf());
    let sandbox = Sandbox::enter()?;
    carried.unpack()?;
    let plugin = plugin.install(&config)?;
    let mut story = Story::new(out);
    story.begin(&config, &chooser, sandbox.has_user_namespace())?;
    steps::walk(&config, &chooser, &plugin, &arguments.pod_namespace, &mut story)?;
    Ok(story.end(start.elapsed())?)
}
