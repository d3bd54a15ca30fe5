//! What the tests stand on: directories, file systems, records, and what must be true of every ledger at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use gingham_engine::address::{Family, IpRange, number};
use gingham_engine::attachment::{AttachmentKey, Pod};
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::store::{Store, StoreLedger};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

pub(crate) const BOOT: &str = "5f0f1b3c-0000-4000-8000-000000000001";
pub(crate) const NOW: u64 = 1_700_000_000_000;

/// A tmpfs of its own; gone when it is dropped.
pub(crate) struct Tmpfs {
    directory: tempfile::TempDir,
}

impl Tmpfs {
    pub(crate) fn of(size: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = std::ffi::CString::new(format!("size={size},mode=0700")).unwrap();
        mount("tmpfs", directory.path(), "tmpfs", MountFlags::empty(), Some(options.as_c_str())).unwrap();
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A data directory that is still to be made.
    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("gingham")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = unmount(self.path(), UnmountFlags::DETACH);
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn range(text: &str) -> IpRange {
    text.parse().unwrap()
}

#[allow(clippy::needless_pass_by_value)] // Numbers and texts alike, at a hundred places.
pub(crate) fn container(id: impl ToString) -> AttachmentKey {
    AttachmentKey { container_id: id.to_string(), interface: "eth0".into() }
}

pub(crate) fn record(addresses: &[IpAddr]) -> AttachmentRecord {
    AttachmentRecord {
        addresses: addresses.to_vec(),
        since: NOW,
        boot: BOOT.into(),
        netns: "/run/netns/x".into(),
        pod: Pod::default(),
        ..AttachmentRecord::default()
    }
}

pub(crate) fn open(directory: &Path) -> StoreLedger {
    Store::open(directory, BOOT, NOW).unwrap().into_ledger("net").unwrap()
}

/// Records one container with one address, durably.
pub(crate) fn add(directory: &Path, id: &str, address: &str) {
    let mut ledger = open(directory);
    ledger.attach(&container(id), &record(&[ip(address)])).unwrap();
    ledger.commit().unwrap();
}

/// Everything the ledger's tables say in more than one place agrees. Returns the leases.
pub(crate) fn check_invariants(ledger: &impl LedgerQueries) -> BTreeMap<IpAddr, AttachmentKey> {
    let mut leases = BTreeMap::new();
    let attachments = ledger.attachments().unwrap();
    assert!(attachments.is_sorted_by(|a, b| a.0 < b.0), "attachments are in order, each once");
    for (key, record) in &attachments {
        assert_eq!(ledger.attachment(key).unwrap().as_ref(), Some(record));
        for address in &record.addresses {
            assert_eq!(leases.insert(*address, key.clone()), None, "{address} is leased once");
            assert_eq!(ledger.holder(*address).unwrap().as_ref(), Some(key), "holder of {address}");
            assert_eq!(ledger.cooling_since(*address).unwrap(), None, "{address} is leased and does not rest");
        }
    }
    assert_eq!(ledger.attachment_count().unwrap(), attachments.len() as u64);
    for (first, last) in [("0.0.0.0", "255.255.255.255"), ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")] {
        check_runs(ledger, IpRange::new(ip(first), ip(last)).unwrap(), &leases);
    }
    let notes: u64 = ledger
        .state_keys("", None, usize::MAX)
        .unwrap()
        .iter()
        .map(|key| (key.len() + ledger.state_value(key).unwrap().unwrap().len()) as u64)
        .sum();
    assert_eq!(ledger.state_size().unwrap(), notes, "bytes of notes");
    leases
}

/// The runs of a family are maximal and hold the leased, the resting and the reserved addresses, and no other.
fn check_runs(ledger: &impl LedgerQueries, all: IpRange, leases: &BTreeMap<IpAddr, AttachmentKey>) {
    let mut used = BTreeSet::new();
    let mut resting = 0;
    let mut from = Some(all.first());
    let mut last = None;
    while let Some(run) = from.and_then(|from| ledger.next_used_run(from).unwrap()) {
        assert!(last.is_none_or(|last| number(run.first()) > last + 1), "the run {run} touches the one below");
        for n in number(run.first())..=number(run.last()) {
            let address = Family::of(run.first()).address(n).unwrap();
            let rests = ledger.cooling_since(address).unwrap().is_some();
            let is_reserved = ledger.reservation(address).unwrap().is_some();
            let is_used = rests || is_reserved || leases.contains_key(&address);
            assert!(is_used, "{address} is in a run, but neither leased nor resting nor reserved");
            resting += u64::from(rests);
            used.insert(address);
        }
        last = Some(number(run.last()));
        from = gingham_engine::address::successor(run.last());
    }
    let mut of_family = leases.keys().filter(|address| Family::of(**address) == all.family());
    assert!(of_family.all(|address| used.contains(address)), "every leased address is in a run");
    let reserved = ledger.reservations_within(all).unwrap();
    assert!(reserved.iter().all(|kept| used.contains(&kept.address)), "every reserved address is in a run");
    assert_eq!(ledger.cooling_count(all).unwrap(), resting, "every resting address is in a run");
}
