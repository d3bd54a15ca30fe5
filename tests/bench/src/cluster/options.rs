//! The command line.

use std::path::{Path, PathBuf};

/// What to measure, and with what.
pub(super) struct Options {
    /// Nodes that join.
    pub(super) nodes: usize,
    /// How many of them at the same time.
    pub(super) at_once: usize,
    /// Further nodes whose first ADD is measured.
    pub(super) rounds: usize,
    /// Further nodes with an agent.
    pub(super) agents: usize,
    /// The plugin.
    pub(super) plugin: PathBuf,
    /// `gingham-node`.
    pub(super) agent: PathBuf,
    /// A directory on a disk.
    pub(super) disk: PathBuf,
}

impl Options {
    pub(super) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
        let mut options = Self {
            nodes: 1_000,
            at_once: 32,
            rounds: 25,
            agents: 30,
            plugin: target.join("x86_64-unknown-linux-musl/ship/gingham"),
            agent: target.join("debug/gingham-node"),
            disk: target.join("bench"),
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
            let number = || value.parse().map_err(|_| format!("{value} is no number"));
            match name.as_str() {
                "--nodes" => options.nodes = number()?,
                "--at-once" => options.at_once = number()?,
                "--rounds" => options.rounds = number()?,
                "--agents" => options.agents = number()?,
                "--plugin" => options.plugin = value.into(),
                "--agent" => options.agent = value.into(),
                "--disk" => options.disk = value.into(),
                _ => return Err(format!("unknown option {name}: run cargo bench-cluster --help")),
            }
        }
        for (program, how) in [
            (options.plugin.as_path(), "`cargo ship` builds it"),
            (&options.agent, "`cargo build --package gingham-node` builds it"),
            (Path::new(gingham_testbed::etcd::PROGRAM), "Debian's package etcd-server has it"),
        ] {
            if !program.exists() {
                return Err(format!("{} is missing; {how}", program.display()));
            }
        }
        Ok(options)
    }
}
