//! `ginghamctl recover`: a new lease store in place of a damaged one, from what the kernel and the runtimes know.

mod findings;
mod report;

use std::io;
use std::path::Path;

use gingham_engine::store::{Rebuilt, Store, StoreError};
use gingham_network::recovery::RecoveryError;
use gingham_network::stale_leases::{AddsPaused, StaleLeaseError};

use crate::cli::RecoverArguments;
use crate::clock;
use crate::confirmation::{ConfirmationError, confirm};
use crate::node::{self, BootIdError};
use crate::output::{Output, complain};
use findings::Findings;

/// Why nothing was recovered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoverError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Boot(#[from] BootIdError),
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    #[error(transparent)]
    Lock(#[from] StaleLeaseError),
    #[error(
        "cannot rebuild the lease store: {count} of the containers found cannot be recorded for certain (see above); \
         nothing was changed; remove those containers, then run `ginghamctl recover` again"
    )]
    Unclear { count: usize },
    #[error(transparent)]
    Confirmation(#[from] ConfirmationError),
    #[error("nothing was changed: containers came or went in the meantime; run `ginghamctl recover` again")]
    Changed,
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

pub(crate) fn run(arguments: &RecoverArguments, library: &Path, out: &mut Output) -> Result<(), RecoverError> {
    let boot = node::boot_id()?;
    let data_dir = &arguments.data_dir;
    match Store::examine(data_dir, &boot) {
        Ok(()) => {
            return Ok(writeln!(out, "the lease store in {} is sound; nothing was changed", data_dir.display())?);
        }
        Err(StoreError::Damaged { path, what }) => {
            writeln!(out, "the lease store {} is damaged: {what}", path.display())?;
        }
        Err(error) => return Err(error.into()),
    }
    let findings = Findings::gather(arguments, library)?;
    report::write(&findings, out)?;
    if !findings.unclear.is_empty() {
        return Err(RecoverError::Unclear { count: findings.unclear.len() });
    }
    confirm("Write this store?", &arguments.confirmed, false, out)?;
    // ADDs fail anyway as long as the store is damaged. One that has begun before it was must end first.
    let _alone = AddsPaused::wait(data_dir, || complain("waiting for ADDs to end"))?;
    if Findings::gather(arguments, library)? != findings {
        return Err(RecoverError::Changed);
    }
    let now = clock::now();
    match Store::rebuild(data_dir, &boot, now, &findings.records(&boot, now))? {
        Rebuilt::Sound => Err(RecoverError::Changed),
        Rebuilt::Done { kept } => {
            let kept = kept.map(|kept| format!("; the damaged one is kept as {}", kept.display()));
            let count = report::attachments(findings.found.len());
            Ok(writeln!(out, "wrote a new lease store with {count}{}", kept.unwrap_or_default())?)
        }
    }
}
