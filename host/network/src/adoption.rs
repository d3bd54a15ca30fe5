//! Adopts the leases of a network that the reference `host-local` served until now, on the first use.
//!
//! [`gingham_engine::reference_leases`] has the rules. This module finds out what they need: where the directories are,
//! when this boot began, and what runtimes wrote down about a container.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use gingham_engine::attachment::{self, AttachmentKey, Context};
use gingham_engine::ipam;
use gingham_engine::ledger::{Ledger, LedgerQueries};
use gingham_engine::reference_leases::{
    self, Adopted, Adoption, Circumstances, Directory, LeftOut, REFERENCE_DIR, ReferenceError,
};
use gingham_engine::runtime::{LogLine, Policy};
use gingham_engine::settings::{Settings, default_data_dir};
use gingham_engine::store::{StoreError, StoreLedger};
use gingham_net::netns::{NetNs, NetnsError};
use gingham_untrusted::file::{self, LARGEST_CONFIGURATION};
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;

use crate::log;

/// Where runtimes that use the reference library keep what they know of attachments.
const RESULTS: &str = "/var/lib/cni/results";

/// Why leases of the reference could not be adopted. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum AdoptionError {
    /// They cannot be read. CNI code 5.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// They cannot be recorded. CNI code 5.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One network's leases with the reference.
#[derive(Debug, Clone)]
pub struct ReferenceLeases {
    pub network: String,
    /// The network's directories, the likeliest first. They need not be there.
    pub directories: Vec<PathBuf>,
}

#[derive(Debug, Clone, Default)]
pub struct AdoptionReport {
    /// Of each directory that is there: its leases.
    pub adopted: Vec<(PathBuf, Adopted)>,
    /// Of each directory: files that look like leases and are none.
    pub left_out: Vec<(PathBuf, LeftOut)>,
}

impl AdoptionReport {
    /// Whether there was anything at all.
    pub fn is_empty(&self) -> bool {
        self.adopted.iter().all(|(_, adopted)| *adopted == Adopted::default())
    }
}

impl ReferenceLeases {
    /// Of a network: in the reference's default directory, and in the configuration's `dataDir`, which was the
    /// reference's before it was ours.
    pub fn of(network: &str, settings: &Settings) -> Self {
        let configured = (settings.data_dir != default_data_dir()).then(|| settings.data_dir.join(network));
        let default = Path::new(REFERENCE_DIR).join(network);
        let mut directories: Vec<PathBuf> = configured.into_iter().chain([default]).collect();
        directories.dedup();
        Self { network: network.to_owned(), directories }
    }

    /// Whether there is something to adopt. Takes no lock.
    pub fn is_worth_a_look(&self) -> bool {
        self.directories.iter().any(|directory| reference_leases::holds_leases(directory))
    }

    /// Records the leases, and that they are recorded. Commits nothing.
    pub fn adopt(&self, ledger: &mut StoreLedger, boot: &str, now: u64) -> Result<AdoptionReport, AdoptionError> {
        let mut taken = AdoptionReport::default();
        let mut last_reserved = BTreeMap::new();
        let mut from = ledger.adoption()?.map(|adoption| adoption.from).unwrap_or_default();
        for path in &self.directories {
            let Some(directory) = Directory::find(path)? else { continue };
            let found = directory.read()?;
            let netns_of = |key: &AttachmentKey| netns_of(&self.network, key);
            let about =
                Circumstances { boot, boot_began: boot_began(now), now, netns_of: &netns_of, is_there: &is_there };
            let adopted = reference_leases::adopt(ledger, &found, &about)?;
            if (!adopted.leases.is_empty() || !adopted.known.is_empty()) && !from.contains(path) {
                from.push(path.clone());
            }
            for (index, last) in found.last_reserved {
                // Where nothing is new, the reference has not gone on since.
                if adopted.leases.is_empty() {
                    last_reserved.entry(index).or_insert(last);
                } else {
                    last_reserved.insert(index, last);
                }
            }
            taken.adopted.push((path.clone(), adopted));
            taken.left_out.extend(found.left_out.into_iter().map(|left_out| (path.clone(), left_out)));
        }
        let watched = taken.adopted.iter().flat_map(|(_, adopted)| &adopted.leases).map(|lease| lease.key.clone());
        let watched: BTreeSet<AttachmentKey> = watched.collect();
        let untold = !watched.is_empty() || !last_reserved.is_empty();
        let adoption = Adoption {
            at: now,
            from,
            watched: watched.into_iter().collect(),
            looked_at: now,
            untold,
            last_reserved: last_reserved.into_iter().collect(),
        };
        ledger.put_adoption(Some(&adoption))?;
        Ok(taken)
    }

    /// Ends the adopted leases whose files the reference has removed since. Commits nothing. Reads each directory as long
    /// as an adopted lease is left, and waits for no lock.
    pub fn end_released(
        &self,
        ledger: &mut StoreLedger,
        mut adoption: Adoption,
        now: u64,
    ) -> Result<(), AdoptionError> {
        if adoption.watched.is_empty() || !adoption.from.iter().any(|path| may_have_changed(path, adoption.looked_at)) {
            return Ok(());
        }
        let mut there = BTreeSet::new();
        for path in &adoption.from {
            let found = Directory::look(path)?.map(|directory| directory.read()).transpose()?.unwrap_or_default();
            if found.last_reserved.is_empty() {
                // The reference never removes this file: it was a person who cleared the directory, and all may live.
                return Ok(());
            }
            there.extend(found.leases.into_iter().map(|lease| lease.key));
        }
        let (watched, gone): (Vec<_>, Vec<_>) = adoption.watched.into_iter().partition(|key| there.contains(key));
        for key in gone {
            if ledger.detach(&key, now)?.is_some() {
                log::info(format!(
                    "network {}: host-local has freed the lease of container {}; the adopted lease ends",
                    self.network, key.container_id
                ));
            }
        }
        adoption.watched = watched;
        adoption.looked_at = now;
        Ok(ledger.put_adoption(Some(&adoption))?)
    }

    pub fn log(&self, taken: &AdoptionReport) {
        let network = &self.network;
        for (path, adopted) in &taken.adopted {
            let Adopted { leases, of_earlier_boot, conflicts, .. } = adopted;
            if !leases.is_empty() || !of_earlier_boot.is_empty() {
                log::info(format!(
                    "network {network}: leases of the reference host-local in {} that are adopted: {}; of an earlier boot, \
                     and not adopted: {}",
                    path.display(),
                    leases.len(),
                    of_earlier_boot.len()
                ));
            }
            for conflict in conflicts {
                log::warn(format!(
                    "network {network}: {} is leased to container {} here, but to container {} in {}; DEL one of them",
                    conflict.address,
                    conflict.ours.container_id,
                    conflict.theirs.container_id,
                    path.display()
                ));
            }
        }
        for (path, left_out) in &taken.left_out {
            log::warn(format!(
                "network {network}: ignored {}: it is not a lease file: {}",
                path.join(&left_out.file).display(),
                left_out.why
            ));
        }
    }
}

/// Calls the adoption hook of a policy that has one, for adopted leases that were not offered to it yet: in the transaction
/// of the first allocation after the adoption.
pub fn offer_to_policy(
    mut ledger: StoreLedger,
    (policy, settings, context): (&Policy, &Settings, &Context),
    now: u64,
    log: &mut Vec<LogLine>,
) -> Result<StoreLedger, StoreError> {
    if !policy.has_adoption() {
        return Ok(ledger);
    }
    let Some(adoption) = ledger.adoption()?.filter(|adoption| adoption.untold) else { return Ok(ledger) };
    let mut addresses = Vec::new();
    for key in &adoption.watched {
        addresses.extend(ledger.attachment(key)?.map(|record| record.addresses).unwrap_or_default());
    }
    addresses.sort_unstable();
    let adopted = attachment::Adopted { addresses, last_reserved: adoption.last_reserved.clone(), now };
    ledger.put_adoption(Some(&Adoption { untold: false, last_reserved: Vec::new(), ..adoption }))?;
    ipam::call_adoption_hook(ledger, (policy, settings, context), &adopted, log)
}

/// Whether a file may have come or gone since. The kernel's stamps are a little older than the clock.
fn may_have_changed(directory: &Path, since: u64) -> bool {
    let modified = fs::metadata(directory).and_then(|directory| directory.modified());
    let modified = modified.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    modified.is_none_or(|at| at.as_millis() + 1_000 >= u128::from(since))
}

/// Removes the files of a lease that was adopted and has ended. A file that stays is no failure: the
/// lease is free here.
pub fn forget_files(adoption: &Adoption, key: &AttachmentKey, addresses: &[std::net::IpAddr]) -> Vec<ReferenceError> {
    let forget = |path: &PathBuf| reference_leases::forget(path, key, addresses).err();
    adoption.from.iter().filter_map(forget).collect()
}

/// Not later than the boot: the clock may have been set since. What was mounted first was stamped by the clock as it was.
fn boot_began(now: u64) -> u64 {
    let up = clock_gettime(ClockId::Boottime);
    let up = u64::try_from(up.tv_sec).unwrap_or_default().saturating_mul(1_000);
    let counted = now.saturating_sub(up).saturating_sub(1_000);
    let stamped = fs::metadata("/sys").ok().and_then(|sys| u64::try_from(sys.mtime()).ok());
    stamped.map_or(counted, |seconds| counted.min(seconds.saturating_mul(1_000)))
}

/// What the reference library keeps for DEL, as far as it matters here.
#[derive(Deserialize)]
struct CachedAttachment {
    netns: String,
}

/// The path of a container's namespace, as its runtime wrote it down.
fn netns_of(network: &str, key: &AttachmentKey) -> Option<String> {
    if !key.is_of_container() {
        return None;
    }
    let path = match key.interface.as_str() {
        "" => results_of(network, &key.container_id)?,
        interface => Path::new(RESULTS).join(format!("{network}-{}-{interface}", key.container_id)),
    };
    let cached: CachedAttachment = serde_json::from_slice(&file::read(&path, LARGEST_CONFIGURATION).ok()?).ok()?;
    Some(cached.netns).filter(|netns| netns.starts_with('/'))
}

/// The one file of a container whose interface is unknown.
fn results_of(network: &str, container: &str) -> Option<PathBuf> {
    let prefix = format!("{network}-{container}-");
    let entries = fs::read_dir(RESULTS).ok()?.flatten();
    let mut of_container = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    let first = of_container.next()?;
    of_container.next().is_none().then(|| first.path())
}

fn is_there(netns: &str) -> Option<bool> {
    match NetNs::open(netns) {
        Ok(_) => Some(true),
        Err(NetnsError::Missing { .. } | NetnsError::NotANamespace { .. }) => Some(false),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_boot_began_before_now_and_after_the_epoch() {
        let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        let began = boot_began(now);
        assert!(0 < began && began < now, "{began} {now}");
    }

    #[test]
    fn directories_are_the_configurations_and_the_default() {
        let settings = |json: &str| Settings::parse(&serde_json::from_str(json).unwrap()).unwrap();
        let of = |json: &str| ReferenceLeases::of("n", &settings(json)).directories;
        assert_eq!(of("{}"), [Path::new("/var/lib/cni/networks/n")]);
        assert_eq!(of(r#"{"dataDir": "/var/lib/cni/networks"}"#), [Path::new("/var/lib/cni/networks/n")]);
        let both = [Path::new("/run/cni/n"), Path::new("/var/lib/cni/networks/n")];
        assert_eq!(of(r#"{"dataDir": "/run/cni"}"#), both);
    }
}
