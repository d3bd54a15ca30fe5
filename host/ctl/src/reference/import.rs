//! `ginghamctl import host-local`

use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::ledger::Ledger;
use gingham_engine::reference_leases::{Adopted, holds_leases};
use gingham_engine::store::{Store, StoreError};
use gingham_network::adoption::{AdoptionError, AdoptionReport, ReferenceLeases};
use serde::Serialize;

use super::{LeaseRow, leases, rows};
use crate::cli::ImportArguments;
use crate::clock;
use crate::lease_store::{self, BootIdError};
use crate::output::Output;

/// Why nothing was imported. Networks before the one at fault are.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error("cannot read {path}: {source}; use --from to name the data directory of host-local")]
    Directory { path: PathBuf, source: io::Error },
    #[error("{path} does not exist, so the reference host-local has no leases of network {network}")]
    NoNetwork { path: PathBuf, network: String },
    #[error("network {network}: {source}")]
    Adoption { network: String, source: AdoptionError },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Boot(#[from] BootIdError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// What became of one network.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    network: String,
    imported: Vec<LeaseRow>,
    /// Were here already.
    known: Vec<LeaseRow>,
    /// Their containers ended with an earlier boot.
    of_earlier_boot: Vec<LeaseRow>,
    conflicts: Vec<Contested>,
    /// Files that look like leases and are none.
    left_out: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Contested {
    address: String,
    container_here: String,
    container_there: String,
}

pub(super) fn run(arguments: &ImportArguments, out: &mut Output) -> Result<(), ImportError> {
    let mut imported = Vec::new();
    for network in networks(arguments)? {
        imported.push(import(arguments, network)?);
    }
    if arguments.format.json {
        return Ok(out.json(&imported)?);
    }
    if imported.is_empty() {
        writeln!(out, "no leases in {}", arguments.from.display())?;
    }
    Ok(imported.iter().try_for_each(|network| show(network, arguments.dry_run, out))?)
}

/// The one that was named, or all that have leases.
fn networks(arguments: &ImportArguments) -> Result<Vec<String>, ImportError> {
    if let Some(network) = &arguments.network {
        let path = arguments.from.join(network);
        if path.is_dir() {
            return Ok(vec![network.clone()]);
        }
        return Err(ImportError::NoNetwork { path, network: network.clone() });
    }
    let fault = |source| ImportError::Directory { path: arguments.from.clone(), source };
    let mut networks = Vec::new();
    for entry in std::fs::read_dir(&arguments.from).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        if let Ok(name) = entry.file_name().into_string()
            && holds_leases(&entry.path())
        {
            networks.push(name);
        }
    }
    networks.sort();
    Ok(networks)
}

/// In one transaction: all of the network's leases, or none.
fn import(arguments: &ImportArguments, network: String) -> Result<Outcome, ImportError> {
    let (boot, now) = (lease_store::boot_id()?, clock::now());
    let directories = vec![arguments.from.join(&network)];
    let inheritance = ReferenceLeases { network: network.clone(), directories };
    let fault = |source| ImportError::Adoption { network: network.clone(), source };
    let taken = if arguments.dry_run {
        rehearse(&inheritance, &arguments.data.dir, &boot, now)?
    } else {
        let mut ledger = lease_store::open_store(&arguments.data.dir, &boot)?.into_ledger(&network)?;
        let taken = inheritance.adopt(&mut ledger, &boot, now).map_err(fault)?;
        ledger.commit()?;
        taken
    };
    Ok(Outcome::of(network, taken))
}

/// The same without the commit.
fn rehearse(
    inheritance: &ReferenceLeases,
    data_dir: &Path,
    boot: &str,
    now: u64,
) -> Result<AdoptionReport, ImportError> {
    let scratch;
    let directory = if data_dir.exists() {
        data_dir
    } else {
        // Nothing shall be made where nothing is.
        scratch = tempfile::tempdir()?;
        scratch.path()
    };
    let mut ledger = Store::open(directory, boot, now)?.into_ledger(&inheritance.network)?;
    inheritance
        .adopt(&mut ledger, boot, now)
        .map_err(|source| ImportError::Adoption { network: inheritance.network.clone(), source })
}

impl Outcome {
    fn of(network: String, taken: AdoptionReport) -> Self {
        let adopted = taken.adopted.into_iter().next().map(|(_, adopted)| adopted).unwrap_or_default();
        let Adopted { leases, known, of_earlier_boot, conflicts } = adopted;
        let contested = |conflict: gingham_engine::reference_leases::Conflict| Contested {
            address: conflict.address.to_string(),
            container_here: conflict.ours.container_id,
            container_there: conflict.theirs.container_id,
        };
        Self {
            network,
            imported: rows(&leases),
            known: rows(&known),
            of_earlier_boot: rows(&of_earlier_boot),
            conflicts: conflicts.into_iter().map(contested).collect(),
            left_out: taken.left_out.into_iter().map(|(_, left)| format!("{}: {}", left.file, left.why)).collect(),
        }
    }
}

fn show(imported: &Outcome, dry_run: bool, out: &mut Output) -> io::Result<()> {
    let network = &imported.network;
    let verb = if dry_run { "would be imported" } else { "imported" };
    writeln!(out, "{network}: {} {verb}, {} adopted before", leases(imported.imported.len()), imported.known.len())?;
    if !imported.of_earlier_boot.is_empty() {
        let count = leases(imported.of_earlier_boot.len());
        writeln!(out, "{network}: {count} of an earlier boot ignored: a reboot ended their containers")?;
    }
    for Contested { address, container_here, container_there } in &imported.conflicts {
        writeln!(
            out,
            "{network}: {address} is not imported for container {container_there}: container {container_here} has it here"
        )?;
    }
    imported.left_out.iter().try_for_each(|left| writeln!(out, "{network}: not a lease: {left}"))
}
