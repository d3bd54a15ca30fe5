//! Disks that are full, read-only or somebody else's: an error that says so, and nothing half-written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gingham_engine::ledger::{Ledger, LedgerQueries};
use gingham_engine::store::{Store, StoreError};
use rustix::mount::{MountFlags, mount_remount};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use crate::fixtures::{BOOT, NOW, Tmpfs, add, check_invariants, container, ip, open, record};

const PAGE: usize = 4096;

/// Fills the file system but for some pages.
fn fill(disk: &Tmpfs, pages_left: usize) {
    let filler = disk.path().join("filler");
    let mut length = 0;
    while fs::write(&filler, vec![1u8; length + PAGE]).is_ok() {
        length += PAGE;
    }
    fs::write(&filler, vec![1u8; length.saturating_sub(pages_left * PAGE)]).unwrap();
}

fn empty(disk: &Tmpfs) {
    fs::remove_file(disk.path().join("filler")).unwrap();
}

/// Two containers more and a note of several pages.
fn change(directory: &Path) -> Result<(), StoreError> {
    let mut ledger = Store::open(directory, BOOT, NOW)?.into_ledger("net")?;
    ledger.attach(&container("b"), &record(&[ip("10.0.0.3"), ip("fd00::3")]))?;
    ledger.attach(&container("c"), &record(&[ip("10.0.0.4"), ip("fd00::4")]))?;
    ledger.put_state("big", Some(&[7; 3 * PAGE]))?;
    ledger.commit()
}

#[test]
fn a_disk_that_fills_up_loses_nothing_at_any_point() {
    let mut refused = 0;
    for pages_left in 0..16 {
        let disk = Tmpfs::of("256k");
        add(&disk.store(), "a", "10.0.0.2");
        fill(&disk, pages_left);
        let result = change(&disk.store());
        if let Err(error) = &result {
            assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
            assert!(error.to_string().contains("no space is left"), "{error}");
            refused += 1;
        }
        let reader = Store::open_read_only(&disk.store()).unwrap().unwrap();
        let read = check_invariants(&reader.ledger("net").unwrap());
        drop(reader);
        empty(&disk);
        let ledger = open(&disk.store());
        let leases = check_invariants(&ledger);
        assert_eq!(leases, read);
        assert_eq!(leases.len(), if result.is_ok() { 5 } else { 1 }, "all of the change or nothing");
        assert_eq!(ledger.state_value("big").unwrap().is_some(), result.is_ok());
        drop(ledger);
        if result.is_err() {
            change(&disk.store()).unwrap();
        }
    }
    assert!((1..16).contains(&refused), "{refused} of 16 were refused: the test does not meet both");
}

#[test]
fn a_store_is_made_whole_or_not_at_all_on_a_full_disk() {
    for pages_left in 0..16 {
        let disk = Tmpfs::of("256k");
        fill(&disk, pages_left);
        if let Err(error) = change(&disk.store()) {
            assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
        }
        assert!(!disk.store().join("leases.new").exists());
        // It is there whole, or not there.
        drop(Store::open_read_only(&disk.store()).unwrap());
        empty(&disk);
        check_invariants(&open(&disk.store()));
    }
}

#[test]
fn a_reboot_with_a_full_disk_keeps_the_old_store() {
    let mut refused = 0;
    for pages_left in 0..12 {
        let disk = Tmpfs::of("256k");
        let mut ledger = open(&disk.store());
        ledger.put_state("kept", Some(&[7; 3 * PAGE])).unwrap();
        ledger.commit().unwrap();
        fill(&disk, pages_left);
        match Store::open(&disk.store(), "another boot", NOW) {
            Ok(_) => {}
            Err(StoreError::Full { .. }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
        empty(&disk);
        let ledger = Store::open(&disk.store(), "another boot", NOW).unwrap().into_ledger("net").unwrap();
        assert_eq!(ledger.state_value("kept").unwrap().unwrap(), [7; 3 * PAGE]);
    }
    assert!((1..12).contains(&refused), "{refused} of 12 were refused: the test does not meet both");
}

fn remount_read_only(disk: &Tmpfs) {
    mount_remount(disk.path(), MountFlags::RDONLY, "").unwrap();
}

#[test]
fn a_read_only_disk_can_be_read_and_says_why_it_cannot_be_written() {
    let disk = Tmpfs::of("1m");
    add(&disk.store(), "a", "10.0.0.2");
    remount_read_only(&disk);
    let reader = Store::open_read_only(&disk.store()).unwrap().unwrap();
    assert_eq!(check_invariants(&reader.ledger("net").unwrap()).len(), 1);
    drop(reader);
    let error = change(&disk.store()).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    assert!(error.to_string().contains("leases.mdb: the file system is read-only"), "{error}");
}

#[test]
fn a_store_cannot_be_made_on_a_read_only_disk() {
    let disk = Tmpfs::of("1m");
    remount_read_only(&disk);
    let error = change(&disk.store()).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { operation: "create the data directory", .. }), "{error:?}");
    assert!(Store::open_read_only(&disk.store()).unwrap().is_none());
}

/// Root may do anything to any file: a thread without those capabilities may not.
fn as_one_who_may_not<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut mine = capabilities(None).unwrap();
            mine.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
            set_capabilities(None, mine).unwrap();
            act()
        });
        thread.join().unwrap()
    })
}

#[test]
fn a_directory_that_may_not_be_entered_is_named() {
    let disk = Tmpfs::of("1m");
    add(&disk.store(), "a", "10.0.0.2");
    for mode in [0o000, 0o400, 0o500] {
        let expect_refusal = |error: StoreError| {
            assert!(matches!(error, StoreError::Permission { .. }), "mode {mode:o}: {error:?}");
            assert!(error.to_string().contains(disk.store().to_str().unwrap()), "{error}");
        };
        fs::set_permissions(disk.store(), fs::Permissions::from_mode(mode)).unwrap();
        let (written, read) = as_one_who_may_not(|| {
            (Store::open(&disk.store(), "new boot", NOW).err(), Store::open_read_only(&disk.store()))
        });
        expect_refusal(written.unwrap());
        match read {
            Ok(reader) => assert!(mode == 0o500 && reader.is_some(), "mode {mode:o}"),
            Err(error) => expect_refusal(error),
        }
    }
    fs::set_permissions(disk.store(), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(check_invariants(&open(&disk.store())).len(), 1);
}

#[test]
fn a_file_that_may_not_be_opened_is_named() {
    let disk = Tmpfs::of("1m");
    add(&disk.store(), "a", "10.0.0.2");
    fs::set_permissions(disk.store().join("leases.mdb"), fs::Permissions::from_mode(0o000)).unwrap();
    let error = as_one_who_may_not(|| change(&disk.store())).unwrap_err();
    assert!(error.to_string().contains("leases.mdb: Permission denied"), "{error}");
}

#[test]
fn only_the_owner_can_read_the_store() {
    let disk = Tmpfs::of("1m");
    let directory = disk.path().join("var/lib/gingham");
    add(&directory, "a", "10.0.0.2");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&directory.join("leases.mdb")), 0o600);
    assert_eq!(mode(directory.parent().unwrap()), 0o755);
    assert_eq!(mode(&directory.join("leases.boot")), 0o600);
    let files = fs::read_dir(&directory).unwrap().count();
    assert_eq!(files, 2, "nothing but the store and its mark is left in the directory");
}

#[test]
fn reading_where_there_is_no_store_makes_none() {
    let disk = Tmpfs::of("1m");
    assert!(Store::open_read_only(&disk.store()).unwrap().is_none());
    assert!(!disk.store().exists());
    fs::create_dir(disk.store()).unwrap();
    assert!(Store::open_read_only(&disk.store()).unwrap().is_none());
    assert_eq!(fs::read_dir(disk.store()).unwrap().count(), 0);
}

#[test]
fn a_file_where_the_directory_should_be_is_named() {
    let disk = Tmpfs::of("1m");
    fs::write(disk.store(), "").unwrap();
    for error in [Store::open(&disk.store(), BOOT, NOW).unwrap_err(), Store::open_read_only(&disk.store()).unwrap_err()]
    {
        assert!(error.to_string().contains("Not a directory"), "{error}");
    }
    let error = Store::open(&disk.store().join("below"), BOOT, NOW).unwrap_err();
    assert!(error.to_string().contains("Not a directory"), "{error}");
}
