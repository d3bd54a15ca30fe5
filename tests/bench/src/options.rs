//! The command line.

use std::path::{Path, PathBuf};

/// What to measure, and with what.
pub(crate) struct Options {
    /// Rounds of each measurement.
    pub(crate) rounds: usize,
    /// Our plugin.
    pub(crate) plugin: PathBuf,
    /// Where the reference plugins are.
    reference: PathBuf,
    /// A directory on a disk.
    pub(crate) disk: PathBuf,
    /// Numbers of leases to measure beside.
    pub(crate) leases: Vec<u32>,
    /// Components to measure beside host-local.
    pub(crate) policies: Vec<PathBuf>,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
        let mut options = Self {
            rounds: 200,
            plugin: target.join("x86_64-unknown-linux-musl/ship/gingham"),
            reference: "/usr/lib/cni".into(),
            disk: target.join("bench"),
            leases: vec![0, 10_000, 1_000_000],
            policies: Vec::new(),
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
            match name.as_str() {
                "--rounds" => options.rounds = value.parse().map_err(|_| format!("{value} is no number"))?,
                "--plugin" => options.plugin = value.into(),
                "--reference" => options.reference = value.into(),
                "--disk" => options.disk = value.into(),
                "--policy" => options.policies.push(value.into()),
                "--leases" => {
                    let parse = |count: &str| count.parse().map_err(|_| format!("{count} is no number"));
                    options.leases = value.split(',').map(parse).collect::<Result<_, _>>()?;
                }
                _ => return Err(format!("unknown option {name}: run cargo bench-adds --help")),
            }
        }
        if !options.plugin.exists() {
            return Err(format!("{} is missing; `cargo ship` builds it", options.plugin.display()));
        }
        if options.reference("host-local").is_none() || options.reference("bridge").is_none() {
            eprintln!(
                "no reference plugins in {}: Debian's containernetworking-plugins has them",
                options.reference.display()
            );
        }
        Ok(options)
    }

    pub(crate) fn reference(&self, name: &str) -> Option<PathBuf> {
        Some(self.reference.join(name)).filter(|path| path.exists())
    }
}
