//! Leases of containers that are gone: finds and frees them without a list of the runtime. For the admin CLI, the node
//! agent, and an ADD that finds no address.
//!
//! An ADD whose container vanishes under it looks like a stale lease: its record is there and its link not yet. So ADDs
//! are paused first ([`AddsPaused`]), and liveness is checked then.

mod liveness;

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use gingham_engine::ledger::{Ledger, LedgerQueries};
use gingham_engine::reference_leases::{Adoption, ReferenceError};
use gingham_engine::store::{Store, StoreError};
use gingham_net::NetError;
use gingham_net::netlink::NetlinkError;

pub use self::liveness::{Liveness, take_linked};
use crate::adoption::forget_files;
use crate::history;
use crate::holdings::Held;
use crate::lock::{self, Attempt, Lock, LockError};
use crate::mac_filter;
use crate::nat;
use crate::plan::HostEnd;
use crate::records::ENDED_AT_ONCE;
use gingham_cni::config::NetworkName;

/// How long the kernel may take to remove the interfaces of a namespace that is gone.
pub const LINKS_TIMEOUT: Duration = Duration::from_millis(300);

/// Why nothing, or not everything, was freed.
#[derive(Debug, thiserror::Error)]
pub enum StaleLeaseError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The kernel does not talk to us.
    #[error("cannot look at this node's interfaces: {0}")]
    Netlink(#[from] NetlinkError),
    /// The kernel does not list them.
    #[error("cannot look at this node's interfaces: {0}")]
    Links(#[from] NetError),
    /// Whether ADDs are under way cannot be found out.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// As long as it lives, no ADD is under way with the leases of a data directory.
pub struct AddsPaused {
    _lock: Option<Lock>,
}

impl AddsPaused {
    /// Waits for ADDs under way, and makes new ones wait. `on_wait` is called before a wait.
    pub fn wait(data_dir: &Path, on_wait: impl FnOnce()) -> Result<Self, StaleLeaseError> {
        if let Some(alone) = Self::try_now(data_dir)? {
            return Ok(alone);
        }
        on_wait();
        Ok(Self { _lock: lock::keep_adds_out(data_dir)? })
    }

    /// The same without a wait: none if an ADD is under way.
    pub fn try_now(data_dir: &Path) -> Result<Option<Self>, StaleLeaseError> {
        match lock::try_keep_adds_out(data_dir)? {
            Attempt::Had(lock) => Ok(Some(Self { _lock: Some(lock) })),
            Attempt::NoLock => Ok(Some(Self { _lock: None })),
            Attempt::Busy => Ok(None),
        }
    }
}

/// An attachment that is stale, or may be, and why.
pub type WithReason = (Held, String);

#[derive(Debug, Default)]
pub struct Freed {
    /// The attachments, and why.
    pub attachments: Vec<WithReason>,
    /// Adopted from the reference, whose files could not be removed.
    pub files_left: Vec<ReferenceError>,
    /// Networks whose MAC filters could not be removed, and why.
    pub mac_filters_left: Vec<String>,
    /// Networks whose masquerade could not be ended, and why.
    pub masquerade_left: Vec<String>,
}

/// The stale ones, and those whose liveness is unknown.
pub fn find(attachments: Vec<Held>) -> (Vec<WithReason>, Vec<WithReason>) {
    let (mut gone, mut unknown) = (Vec::new(), Vec::new());
    let all = Liveness::of_all(&attachments);
    for (held, liveness) in attachments.into_iter().zip(all) {
        match liveness {
            Liveness::Alive => {}
            Liveness::Gone(why) => gone.push((held, why)),
            Liveness::Unknown(why) => unknown.push((held, why)),
        }
    }
    (gone, unknown)
}

/// Frees them if they still are what they were when they were found, while ADDs were paused as they are now: DEL may have
/// ended one since. Their masquerade and MAC filters go, too. `now` is in milliseconds since the epoch.
/// After an error, what was freed before stays so.
pub fn free(
    _: &AddsPaused,
    data_dir: &Path,
    boot: &str,
    gone: &[WithReason],
    now: u64,
) -> Result<Freed, StaleLeaseError> {
    let mut freed = Freed::default();
    let networks = gone.chunk_by(|(one, _), (other, _)| one.network == other.network);
    for some in networks.flat_map(|of_network| of_network.chunks(ENDED_AT_ONCE)) {
        let Some((first, _)) = some.first() else { continue };
        let mut ledger = Store::open(data_dir, boot, now)?.into_ledger(&first.network)?;
        let (transaction, mut ended) = (ledger.transaction()?, Vec::new());
        for (held, why) in some {
            if ledger.attachment(&held.key)?.as_ref() == Some(&held.record) {
                ledger.detach(&held.key, now)?;
                ended.push((held.key.clone(), held.record.clone()));
                freed.attachments.push((held.clone(), why.clone()));
            }
        }
        ledger.commit()?;
        history::stale_leases_freed((data_dir, &first.network), transaction, &ended, now);
    }
    freed.mac_filters_left = remove_mac_filters(&freed.attachments);
    freed.masquerade_left = unmasquerade(data_dir, &freed.attachments);
    // What was adopted takes its file with it, as with DEL.
    for (held, _) in &freed.attachments {
        let adoption = Adoption { from: held.adopted_from.clone(), ..Adoption::default() };
        freed.files_left.extend(forget_files(&adoption, &held.key, &held.record.addresses));
    }
    Ok(freed)
}

/// Ends the masquerade of what is recorded no more. Returns what went wrong.
fn unmasquerade(data_dir: &Path, freed: &[WithReason]) -> Vec<String> {
    let end = |freed: &[WithReason]| {
        let network = &freed.first()?.0.network;
        let fault = nat::end(data_dir, network, freed.iter().map(|(held, _)| &held.record)).err()?;
        Some(format!(
            "network {network}: cannot end the masquerade of freed addresses: {fault}; run ginghamctl gc again"
        ))
    };
    freed.chunk_by(|(one, _), (other, _)| one.network == other.network).filter_map(end).collect()
}

/// Removes the MAC filters of ports that are gone. Returns what went wrong.
fn remove_mac_filters(freed: &[WithReason]) -> Vec<String> {
    let of_network = |freed: &[WithReason]| {
        let name = NetworkName::new(&freed.first()?.0.network).ok()?;
        let ends = freed.iter().map(|(Held { key, .. }, _)| HostEnd::named(&name, &key.container_id, &key.interface));
        let ports: HashSet<String> = ends.flatten().map(|end| end.name.as_str().to_owned()).collect();
        let fault = mac_filter::remove_of(&name, |port| ports.contains(port)).err()?;
        Some(format!("network {name}: cannot remove MAC filters (macspoofchk): {fault}; run ginghamctl gc again"))
    };
    freed.chunk_by(|(one, _), (other, _)| one.network == other.network).filter_map(of_network).collect()
}

#[cfg(test)]
mod tests {
    use gingham_engine::attachment::{AttachmentKey, Pod};
    use gingham_engine::ledger::AttachmentRecord;

    use super::*;
    use crate::holdings::Holdings;

    /// Between the look at a container and its end, it may have left and come again.
    #[test]
    fn a_container_that_came_again_is_not_freed() {
        let dir = tempfile::tempdir().unwrap();
        let key = |container: &str| AttachmentKey { container_id: container.to_owned(), interface: "eth0".to_owned() };
        let record = |address: &str, since: u64| AttachmentRecord {
            addresses: vec![address.parse().unwrap()],
            since,
            boot: "boot".to_owned(),
            netns: "/run/netns/gone".to_owned(),
            pod: Pod::default(),
            ..AttachmentRecord::default()
        };
        let mut ledger = Store::open(dir.path(), "boot", 10).unwrap().into_ledger("n").unwrap();
        ledger.attach(&key("again"), &record("10.1.0.2", 10)).unwrap();
        ledger.attach(&key("dead"), &record("10.1.0.3", 10)).unwrap();
        ledger.commit().unwrap();
        let seen = Holdings::read(dir.path(), None).unwrap().attachments;
        let mut ledger = Store::open(dir.path(), "boot", 20).unwrap().into_ledger("n").unwrap();
        ledger.detach(&key("again"), 20).unwrap();
        ledger.attach(&key("again"), &record("10.1.0.2", 20)).unwrap();
        ledger.commit().unwrap();
        let gone: Vec<WithReason> = seen.into_iter().map(|held| (held, String::new())).collect();
        let alone = AddsPaused::try_now(dir.path()).unwrap().unwrap();
        let freed = free(&alone, dir.path(), "boot", &gone, 30).unwrap();
        assert_eq!(freed.attachments.len(), 1);
        let left = Holdings::read(dir.path(), None).unwrap().attachments;
        assert_eq!(left.iter().map(|held| held.key.container_id.as_str()).collect::<Vec<_>>(), ["again"]);
    }
}
