//! `ginghamctl import host-local` and `ginghamctl export host-local`: the leases of the reference plugin, here and back.

mod export;
mod import;

use std::error::Error;

use gingham_engine::reference_leases::Lease;
use serde::Serialize;

use crate::cli::{ExportCommand, ImportCommand};
use crate::output::Output;

pub(crate) fn import(command: &ImportCommand, out: &mut Output) -> Result<(), Box<dyn Error>> {
    let ImportCommand::HostLocal(arguments) = command;
    Ok(import::run(arguments, out)?)
}

pub(crate) fn export(command: &ExportCommand, out: &mut Output) -> Result<(), Box<dyn Error>> {
    let ExportCommand::HostLocal(arguments) = command;
    Ok(export::run(arguments, out)?)
}

/// A lease, for JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LeaseRow {
    address: String,
    container_id: String,
    /// Empty if it is not known.
    interface: String,
}

impl From<&Lease> for LeaseRow {
    fn from(lease: &Lease) -> Self {
        let Lease { address, key, .. } = lease;
        Self { address: address.to_string(), container_id: key.container_id.clone(), interface: key.interface.clone() }
    }
}

fn rows(leases: &[Lease]) -> Vec<LeaseRow> {
    leases.iter().map(LeaseRow::from).collect()
}

fn leases(count: usize) -> String {
    if count == 1 { "1 lease".to_owned() } else { format!("{count} leases") }
}
