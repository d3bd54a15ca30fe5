//! `ginghamctl recover`: a new lease store in place of a damaged one, from what the kernel and the runtimes know.

mod findings;
mod report;

use std::path::Path;

use gingham_engine::store::{Rebuilt, Store, StoreError};
use gingham_network::stale_leases::AddsPaused;

use crate::cli::RecoverArguments;
use crate::clock;
use crate::confirmation::confirm;
use crate::lease_store::{self, LeaseStoreError};
use crate::output::{Output, print_error};
use findings::Findings;

pub(crate) fn run(arguments: &RecoverArguments, library: &Path, out: &mut Output) -> Result<(), LeaseStoreError> {
    let boot = lease_store::boot_id()?;
    let data_dir = &arguments.data.dir;
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
        return Err(LeaseStoreError::Unclear { count: findings.unclear.len() });
    }
    confirm("Write this store?", &arguments.confirmed, false, out)?;
    // ADDs fail anyway as long as the store is damaged. One that has begun before it was must end first.
    let _alone = AddsPaused::wait(data_dir, || print_error("waiting for ADDs to end"))?;
    if Findings::gather(arguments, library)? != findings {
        return Err(LeaseStoreError::Changed);
    }
    tracing::debug!(data_dir = %data_dir.display(), "write a new lease store");
    let now = clock::now();
    match Store::rebuild(data_dir, &boot, now, &findings.records(&boot, now))? {
        Rebuilt::Sound => Err(LeaseStoreError::Changed),
        Rebuilt::Done { kept } => {
            let kept = kept.map(|kept| format!("; the damaged one is kept as {}", kept.display()));
            let count = report::attachments(findings.found.len());
            Ok(writeln!(out, "wrote a new lease store with {count}{}", kept.unwrap_or_default())?)
        }
    }
}
