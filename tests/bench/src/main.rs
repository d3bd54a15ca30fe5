//! How long ADD and DEL take, from exec to exit, side by side with the reference plugins in one interleaved run.
//!
//! ```text
//! cargo ship && cargo bench-adds [--rounds N] [--plugin FILE] [--reference DIR] [--disk DIR] [--leases N,N,…]
//! ```
//! Runs in the namespaces the cargo runner makes. Prints medians, 99th percentiles and ratios of medians; nothing is
//! asserted. With `cluster` as its first argument it measures clusters instead: see that module.

mod cluster;
mod cni;
mod networks;
mod options;
mod policies;
mod processor;
mod report;

use std::error::Error;

use cni::Plugin;
use networks::Place;
use options::Options;
use report::{Row, Samples};

const HELP: &str = "\
Measure how long ADD and DEL take, from exec to exit, side by side with the reference plugins in one interleaved run.

  cargo ship && cargo bench-adds [OPTIONS]
  cargo bench-cluster [OPTIONS]    see cargo bench-cluster --help

  --rounds N         rounds of each measurement [200]
  --plugin FILE      Gingham [target/x86_64-unknown-linux-musl/ship/gingham]
  --reference DIR    the reference plugins bridge and host-local [/usr/lib/cni]
  --disk DIR         a directory on a disk [target/bench]
  --leases N,N,...   numbers of leases to measure beside [0,10000,1000000]
  --policy FILE      a component to measure beside host-local, instead of all else; repeat it for several
  --help             print this";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == "cluster").is_some() {
        return cluster::run(arguments);
    }
    if arguments.peek().is_some_and(|first| ["--help", "-h", "help"].contains(&first.as_str())) {
        println!("{HELP}");
        return Ok(());
    }
    let options = Options::parse(arguments)?;
    networks::private_directories()?;
    let rows = if options.policies.is_empty() {
        [floor(&options)?, ipam_only(&options)?, with_leases(&options)?, whole(&options)?].concat()
    } else {
        [floor(&options)?, policies::ipam_only(&options)?].concat()
    };
    report::print(&options, &rows);
    Ok(())
}

/// What a process costs that does nothing: no plugin can be quicker.
fn floor(options: &Options) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut samples = Samples::default();
    for _ in 0..options.rounds {
        samples.push(cni::time_true()?);
    }
    Ok(vec![Row::alone("start and end a process (true)", samples)])
}

/// IPAM-only ADD on an empty network: the reference host-local, ours on disk, ours in memory, in turns.
fn ipam_only(options: &Options) -> Result<Vec<Row>, Box<dyn Error>> {
    let ours = Plugin::ours(&options.plugin);
    let reference = options.reference("host-local").map(|path| Plugin::reference(&path));
    let [disk, memory] = [Place::disk(options)?, Place::memory()?];
    let [mut theirs, mut on_disk, mut in_memory] = [const { Samples::new() }; 3];
    for round in 0..options.rounds {
        let id = format!("bench-{round}");
        if let Some(reference) = &reference {
            theirs.push(reference.ipam("ADD", &memory.config("host-local", "theirs"), &id)?);
            reference.ipam("DEL", &memory.config("host-local", "theirs"), &id)?;
        }
        for (place, samples) in [(&disk, &mut on_disk), (&memory, &mut in_memory)] {
            samples.push(ours.ipam("ADD", &place.config("host-local", "ours"), &id)?);
            ours.ipam("DEL", &place.config("host-local", "ours"), &id)?;
        }
    }
    let base = (!theirs.is_empty()).then(|| theirs.clone());
    let mut rows = Vec::new();
    if !theirs.is_empty() {
        rows.push(Row::alone("IPAM ADD, no leases: reference host-local", theirs));
    }
    rows.push(Row::against("IPAM ADD, no leases: gingham, on disk", on_disk, base.as_ref()));
    rows.push(Row::against("IPAM ADD, no leases: gingham, on tmpfs", in_memory, base.as_ref()));
    Ok(rows)
}

/// IPAM-only ADD beside many leases; the ratio is to ourselves with none.
fn with_leases(options: &Options) -> Result<Vec<Row>, Box<dyn Error>> {
    let ours = Plugin::ours(&options.plugin);
    let reference = options.reference("host-local").map(|path| Plugin::reference(&path));
    let places =
        options.leases.iter().map(|count| Place::with_leases(options, *count)).collect::<Result<Vec<_>, _>>()?;
    let mut samples = vec![Samples::new(); places.len()];
    let mut theirs = vec![Samples::new(); places.len()];
    for round in 0..options.rounds {
        let id = format!("bench-{round}");
        for (place, samples) in places.iter().zip(&mut samples) {
            samples.push(ours.ipam("ADD", &place.config("host-local", "ours"), &id)?);
            ours.ipam("DEL", &place.config("host-local", "ours"), &id)?;
        }
        // The reference lists its directory: with more leases than this it is measured by nobody's patience.
        for (place, theirs) in places.iter().zip(&mut theirs).filter(|(place, _)| place.reference_too && round < 20) {
            let Some(reference) = &reference else { continue };
            theirs.push(reference.ipam("ADD", &place.config("host-local", "theirs"), &id)?);
            reference.ipam("DEL", &place.config("host-local", "theirs"), &id)?;
        }
    }
    let base = samples.first().cloned();
    let mut rows = Vec::new();
    for ((place, samples), theirs) in places.iter().zip(samples).zip(theirs) {
        if !theirs.is_empty() {
            rows.push(Row::alone(format!("IPAM ADD, {} leases: reference host-local", place.leases), theirs));
        }
        rows.push(Row::against(format!("IPAM ADD, {} leases: gingham, on disk", place.leases), samples, base.as_ref()));
    }
    Ok(rows)
}

/// ADD and DEL with bridge, gateway and masquerade.
fn whole(options: &Options) -> Result<Vec<Row>, Box<dyn Error>> {
    let ours = Plugin::ours(&options.plugin);
    let reference = options.reference("bridge").map(|path| Plugin::reference(&path));
    let disk = Place::disk(options)?;
    let [mut their_add, mut their_del, mut our_add, mut our_del] = [const { Samples::new() }; 4];
    for round in 0..options.rounds.min(100) {
        let id = format!("bench-{round}");
        if let Some(reference) = &reference {
            let netns = networks::Container::new()?;
            let config = disk.network("bridge", "whole-theirs", "cni-theirs", "10.91.0.0/16");
            their_add.push(reference.main("ADD", &config, &id, netns.path())?);
            their_del.push(reference.main("DEL", &config, &id, netns.path())?);
        }
        let netns = networks::Container::new()?;
        let config = disk.network("gingham", "whole-ours", "cni-ours", "10.92.0.0/16");
        our_add.push(ours.main("ADD", &config, &id, netns.path())?);
        our_del.push(ours.main("DEL", &config, &id, netns.path())?);
    }
    let [base_add, base_del] = [&their_add, &their_del].map(|samples| (!samples.is_empty()).then(|| samples.clone()));
    let mut rows = Vec::new();
    if base_add.is_some() {
        rows.push(Row::alone("whole ADD: reference bridge + host-local", their_add));
    }
    rows.push(Row::against("whole ADD: gingham, leases on disk", our_add, base_add.as_ref()));
    if base_del.is_some() {
        rows.push(Row::alone("whole DEL: reference bridge + host-local", their_del));
    }
    rows.push(Row::against("whole DEL: gingham, leases on disk", our_del, base_del.as_ref()));
    Ok(rows)
}
