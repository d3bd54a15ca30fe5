//! The command line: runs the simulation from a seed, or replays what went wrong.

#![allow(clippy::print_stdout, clippy::print_stderr)] // It is what it is for.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::disk::Disk;
use crate::properties::StoreProperties;
use crate::run::{Case, Failure, rule};
use crate::scale::Scale;

/// Simulates clusters in which everything goes wrong, and looks for an address that is in use twice.
#[derive(Parser)]
#[allow(clippy::struct_excessive_bools)] // Flags.
struct Arguments {
    /// The seed; the same one does the same.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Nodes.
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// One more machine, which has the first node's name.
    #[arg(long)]
    twin: bool,
    /// Blocks of the cluster's range.
    #[arg(long, default_value_t = 4)]
    blocks: u128,
    /// A block has two to the power of this many addresses.
    #[arg(long, default_value_t = 2)]
    bits: u8,
    /// Containers at most on a node.
    #[arg(long, default_value_t = 6)]
    pods: usize,
    /// Steps.
    #[arg(long, default_value_t = 1_000_000)]
    steps: u64,
    /// The store is the Kubernetes API, not etcd.
    #[arg(long)]
    kubernetes: bool,
    /// The rule that is off: R1 to R12.
    #[arg(long, value_parser = known_rule)]
    without: Option<String>,
    /// The real component chooses blocks and addresses: only in gingham-simulation-with-engine.
    #[arg(long)]
    weave_split: bool,
    /// Instead of chance: one large cluster without faults, from its first join to the death of 1 % of its nodes.
    #[arg(long, conflicts_with_all = ["without", "replay", "twin"])]
    scale: bool,
    /// Does what this file says, and nothing else.
    #[arg(long)]
    replay: Option<PathBuf>,
    /// Where to write what went wrong, shrunk.
    #[arg(long, default_value = "failure.json")]
    failure: PathBuf,
}

fn known_rule(name: &str) -> Result<String, String> {
    rule(name).map(|_| name.to_owned()).ok_or_else(|| "there are R1 to R12".to_owned())
}

/// Runs what the arguments of this process ask for, on disks of this kind.
pub fn main<D: Disk>() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.scale {
        return scale::<D>(&arguments);
    }
    let case = match &arguments.replay {
        None => case(&arguments),
        Some(path) => match read(path) {
            Ok(case) => case,
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                return ExitCode::from(2);
            }
        },
    };
    let done =
        if arguments.replay.is_some() { case.replay::<D>() } else { case.run::<D>(arguments.seed, arguments.steps) };
    match done {
        Ok(world) => {
            println!("{}\nnothing is wrong", world.counts);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{}\nWRONG after {} steps: {}", failure.counts, failure.counts.steps, failure.violation.what);
            if arguments.replay.is_none() {
                keep::<D>(failure, &arguments.failure);
            }
            ExitCode::FAILURE
        }
    }
}

fn scale<D: Disk>(arguments: &Arguments) -> ExitCode {
    let scale = Scale {
        nodes: arguments.nodes,
        blocks: arguments.blocks,
        bits: arguments.bits,
        pods: u16::try_from(arguments.pods).unwrap_or(u16::MAX),
        dead: arguments.nodes.div_ceil(100),
        weave_split: arguments.weave_split,
        seed: arguments.seed,
    };
    match scale.run::<D>() {
        Ok(figures) => {
            println!("{figures}\nnothing is wrong");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("WRONG: {}", violation.what);
            ExitCode::FAILURE
        }
    }
}

fn case(arguments: &Arguments) -> Case {
    Case {
        nodes: arguments.nodes,
        twin: arguments.twin,
        blocks: arguments.blocks,
        bits: arguments.bits,
        pods: arguments.pods,
        store: if arguments.kubernetes { StoreProperties::KUBERNETES } else { StoreProperties::ETCD },
        without: arguments.without.clone(),
        // Without R9 something is left behind, and no address is in use twice.
        damage_only: arguments.without.as_deref().is_some_and(|rule| rule != "R9"),
        weave_split: arguments.weave_split,
        ..Case::default()
    }
}

fn read(path: &PathBuf) -> Result<Case, Box<dyn std::error::Error>> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

fn keep<D: Disk>(failure: Box<Failure>, path: &PathBuf) {
    let short = failure.shrink::<D>(20_000);
    println!("shrunk to {} decisions: {}", short.case.decisions.len(), short.violation.what);
    let json = serde_json::to_vec(&short.case).unwrap_or_default();
    match std::fs::write(path, json) {
        Ok(()) => println!("replay it with --replay {}", path.display()),
        Err(error) => eprintln!("{}: {error}", path.display()),
    }
}
