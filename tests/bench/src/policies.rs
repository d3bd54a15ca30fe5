//! What an ADD takes with policies that are installed, in turns with the built-in host-local. Each is compiled here first.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use gingham_engine::clock;
use gingham_engine::compile::Compiler;
use gingham_engine::library::{Digest, Installed, LIBRARY_DIR, Library};

use crate::cni::Plugin;
use crate::networks::Place;
use crate::options::Options;
use crate::report::{Row, Samples};

/// IPAM-only ADDs; the ratio is to host-local's.
pub(crate) fn ipam_only(options: &Options) -> Result<Vec<Row>, Box<dyn Error>> {
    let installed = options.policies.iter().map(|path| install(path)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = std::iter::once("host-local".to_owned()).chain(installed).collect();
    let (plugin, place) = (Plugin::ours(&options.plugin), Place::memory()?);
    let mut samples = vec![Samples::new(); names.len()];
    for round in 0..options.rounds {
        let id = format!("bench-{round}");
        for (name, samples) in names.iter().zip(&mut samples) {
            let config = place.policy(name);
            samples.push(plugin.policy("ADD", &config, &id)?);
            plugin.policy("DEL", &config, &id)?;
        }
    }
    let base = samples.first().cloned();
    let row = |(name, samples)| Row::against(format!("IPAM ADD, policy {name}"), samples, base.as_ref());
    Ok(names.into_iter().zip(samples).map(row).collect())
}

/// Returns its name.
fn install(path: &Path) -> Result<String, Box<dyn Error>> {
    let component = fs::read(path)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let start = Instant::now();
    let compiled = Compiler::new()?.compile(&component)?;
    let (size, code) = (component.len() / 1000, compiled.artefact.len() / 1000);
    println!("{name}: {size} kB, {code} kB of machine code, compiled in {:.1} s", start.elapsed().as_secs_f64());
    let installed = Installed {
        digest: Digest::of(&component),
        size: component.len() as u64,
        has_release: compiled.surface.has_release(),
        installed_at: clock::now(),
    };
    Library::open(&PathBuf::from(LIBRARY_DIR))?.install(&name, &component, &compiled.artefact, &installed)?;
    Ok(name)
}
