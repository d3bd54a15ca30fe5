//! Leases of the reference become ours.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Found, Lease};
use crate::attachment::{AttachmentKey, Pod};
use crate::ledger::{AttachmentRecord, Ledger};
use crate::store_error::StoreError;

pub struct Circumstances<'a> {
    pub boot: &'a str,
    /// Not later than this boot began: milliseconds since the epoch.
    pub boot_began: u64,
    /// Now: milliseconds since the epoch.
    pub now: u64,
    /// The path of a container's network namespace, if a runtime wrote it down.
    pub netns_of: &'a dyn Fn(&AttachmentKey) -> Option<String>,
    /// Whether a network namespace is at the path. None if that is unknown.
    pub is_there: &'a dyn Fn(&str) -> Option<bool>,
}

/// An address that two containers are answer to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub address: IpAddr,
    /// Who has it here, and keeps it.
    pub ours: AttachmentKey,
    pub theirs: AttachmentKey,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopted {
    pub leases: Vec<Lease>,
    pub known: Vec<Lease>,
    pub of_earlier_boot: Vec<Lease>,
    /// Not adopted, because another container has the address here.
    pub conflicts: Vec<Conflict>,
}

/// Records the leases of a directory, those of one container's interface as one attachment. Commits nothing.
///
/// # Errors
/// If the store fails, or refuses an identity.
pub fn adopt<L: Ledger>(ledger: &mut L, found: &Found, about: &Circumstances) -> Result<Adopted, StoreError> {
    let mut adopted = Adopted::default();
    let mut by_key: BTreeMap<&AttachmentKey, Vec<&Lease>> = BTreeMap::new();
    for lease in &found.leases {
        if is_of_earlier_boot(lease, about) {
            adopted.of_earlier_boot.push(lease.clone());
        } else if may_be_adopted(ledger, lease, about, &mut adopted)? {
            by_key.entry(&lease.key).or_default().push(lease);
        }
    }
    for (key, leases) in by_key {
        attach(ledger, key, &leases, about)?;
        adopted.leases.extend(leases.into_iter().cloned());
    }
    adopted.leases.sort_by_key(|lease| lease.address);
    Ok(adopted)
}

/// The reference keeps leases over a reboot. The clock may have been wrong when the file was written: a container whose
/// namespace is there is not of an earlier boot, whatever the clock shows.
fn is_of_earlier_boot(lease: &Lease, about: &Circumstances) -> bool {
    let lives = || (about.netns_of)(&lease.key).and_then(|netns| (about.is_there)(&netns)) == Some(true);
    lease.written < about.boot_began && !lives()
}

fn may_be_adopted<L: Ledger>(
    ledger: &mut L,
    lease: &Lease,
    about: &Circumstances,
    adopted: &mut Adopted,
) -> Result<bool, StoreError> {
    let Some(ours) = ledger.holder(lease.address)? else { return Ok(true) };
    if ours == lease.key {
        adopted.known.push(lease.clone());
        return Ok(false);
    }
    // The network was served by the reference again in between. A holder of whom nothing is left has lost the address.
    let is_gone = match ledger.attachment(&ours)? {
        Some(record) if record.netns.is_empty() => true,
        Some(record) => (about.is_there)(&record.netns) == Some(false),
        None => false,
    };
    if is_gone && ours.is_of_container() {
        ledger.detach(&ours, about.now)?;
        return Ok(true);
    }
    adopted.conflicts.push(Conflict { address: lease.address, ours, theirs: lease.key.clone() });
    Ok(false)
}

fn attach<L: Ledger>(
    ledger: &mut L,
    key: &AttachmentKey,
    leases: &[&Lease],
    about: &Circumstances,
) -> Result<(), StoreError> {
    let mut record = ledger.detach(key, about.now)?.unwrap_or_else(|| AttachmentRecord {
        addresses: Vec::new(),
        since: leases.iter().map(|lease| lease.written).min().unwrap_or(about.now),
        boot: about.boot.to_owned(),
        netns: (about.netns_of)(key).unwrap_or_default(),
        pod: Pod::default(),
        ..AttachmentRecord::default()
    });
    record.addresses.extend(leases.iter().map(|lease| lease.address));
    ledger.attach(key, &record)
}

#[cfg(test)]
mod tests;
