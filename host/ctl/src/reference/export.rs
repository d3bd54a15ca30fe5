//! `ginghamctl export host-local`

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::reference_leases::{HandedBack, Lease, ReferenceError, hand_back};
use gingham_engine::store::StoreError;
use serde::Serialize;

use super::{LeaseRow, leases, rows};
use crate::cli::ExportArguments;
use crate::clock;
use crate::lease_store::{self, BootIdError};
use crate::output::Output;

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error("no lease store in {path}; use --data-dir for another directory")]
    NoStore { path: PathBuf },
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Boot(#[from] BootIdError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    network: String,
    directory: String,
    exported: Vec<LeaseRow>,
    /// Were there already.
    known: Vec<LeaseRow>,
    /// Not a container's, so the reference can have no lease for them.
    kept: Vec<LeaseRow>,
}

pub(super) fn run(arguments: &ExportArguments, out: &mut Output) -> Result<(), ExportError> {
    let exported = export(arguments)?;
    if arguments.format.json {
        return Ok(out.json(&exported)?);
    }
    let Outcome { network, directory, exported, known, kept } = &exported;
    writeln!(out, "{network}: {} exported to {directory}, {} exported before", leases(exported.len()), known.len())?;
    if !kept.is_empty() {
        writeln!(out, "{network}: {} not exported, because their holders are not containers", leases(kept.len()))?;
    }
    Ok(())
}

/// The store's lock is held throughout: no ADD or DEL comes in between. The files are durable before the store forgets;
/// after a crash in between, doing it again does the rest.
fn export(arguments: &ExportArguments) -> Result<Outcome, ExportError> {
    let network = &arguments.network;
    if !arguments.data.dir.exists() {
        return Err(ExportError::NoStore { path: arguments.data.dir.clone() });
    }
    let now = clock::now();
    let mut ledger = lease_store::open_store(&arguments.data.dir, &lease_store::boot_id()?)?.into_ledger(network)?;
    let held = ledger.attachments()?;
    let (containers, others): (Vec<_>, Vec<_>) = held.into_iter().partition(|(key, _)| key.is_of_container());
    let directory = arguments.to.join(network);
    let HandedBack { written, known } = hand_back(&directory, &leases_of(&containers), &ledger.last_allocated()?)?;
    for (key, record) in &containers {
        // Those without addresses have theirs from another plugin, whose business they are.
        if !record.addresses.is_empty() {
            ledger.detach(key, now)?;
        }
    }
    // The truth is there now: should the network be used here again, it is adopted again.
    ledger.put_adoption(None)?;
    ledger.commit()?;
    Ok(Outcome {
        network: network.clone(),
        directory: directory.display().to_string(),
        exported: rows(&written),
        known: rows(&known),
        kept: rows(&leases_of(&others)),
    })
}

fn leases_of(held: &[(AttachmentKey, AttachmentRecord)]) -> Vec<Lease> {
    let of = |(key, record): &(AttachmentKey, AttachmentRecord)| {
        let (key, written) = (key.clone(), record.since);
        let lease = move |address: &IpAddr| Lease { address: *address, key: key.clone(), written };
        record.addresses.iter().map(lease).collect::<Vec<_>>()
    };
    held.iter().flat_map(of).collect()
}
