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
use crate::processor;
use crate::report::{Row, Samples};

/// IPAM-only ADDs; the ratio is to host-local's.
pub(crate) fn ipam_only(options: &Options) -> Result<Vec<Row>, Box<dyn Error>> {
    let installed = options.policies.iter().map(|path| install(path)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = std::iter::once("host-local".to_owned()).chain(installed).collect();
    let (plugin, place) = (Plugin::ours(&options.plugin), Place::memory()?);
    let mut measured = vec![Measured::default(); names.len()];
    for round in 0..options.rounds {
        let id = format!("bench-{round}");
        for (name, measured) in names.iter().zip(&mut measured) {
            let (config, before) = (place.policy(name), processor::of_children());
            measured.time.push(plugin.policy("ADD", &config, &id)?);
            let used = processor::of_children().since(before);
            measured.processor.push(used.processor);
            measured.page_faults.push(used.page_faults);
            plugin.policy("DEL", &config, &id)?;
        }
    }
    for (name, measured) in names.iter().zip(&mut measured) {
        measured.page_faults.sort_unstable();
        println!("{name}: {} page faults (median)", measured.page_faults.get(options.rounds / 2).unwrap_or(&0));
    }
    let rows = |what, samples: fn(&Measured) -> &Samples| {
        let base = measured.first().map(samples);
        let row =
            move |(name, measured)| Row::against(format!("{what}, policy {name}"), samples(measured).clone(), base);
        names.iter().zip(&measured).map(row).collect::<Vec<_>>()
    };
    Ok([rows("IPAM ADD", |measured| &measured.time), rows("processor time", |measured| &measured.processor)].concat())
}

/// ADDs with one policy.
#[derive(Clone, Default)]
struct Measured {
    time: Samples,
    processor: Samples,
    page_faults: Vec<u64>,
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
