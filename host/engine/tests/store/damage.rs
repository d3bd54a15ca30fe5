//! Files that are no store, or no whole one: an error that says so and how to go on; never a signal, never a new empty
//! store in place of leases that are lost.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use gingham_engine::ledger::{Ledger, LedgerQueries};
use gingham_engine::store::{Store, StoreError, StoreLedger};
use heed::types::Bytes;
use heed::{CommitOrAbort, EnvFlags, EnvOpenOptions};

use crate::fixtures::{BOOT, NOW, Tmpfs, add, check_invariants, container, ip, open, range, record};

fn try_open(directory: &Path) -> Result<StoreLedger, StoreError> {
    Store::open(directory, BOOT, NOW)?.into_ledger("net")
}

/// Both ways to open it must refuse it with a text that has this in it, and leave it alone.
fn expect_refusal(directory: &Path, text: &str) {
    let file = directory.join("leases.mdb");
    let before = fs::read(&file).ok();
    for error in [try_open(directory).err(), Store::open_read_only(directory).err()] {
        let error = error.unwrap_or_else(|| panic!("opened, expected {text:?}")).to_string();
        assert!(error.contains(text) && error.contains("leases.mdb"), "{error}");
    }
    assert_eq!(fs::read(&file).ok(), before, "the file is as it was");
}

#[test]
fn what_is_no_lmdb_file_is_left_alone() {
    let disk = Tmpfs::of("8m");
    fs::create_dir(disk.store()).unwrap();
    let file = disk.store().join("leases.mdb");
    let noise: Vec<u8> =
        (0..20_000u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) ^ (n << 7)).to_le_bytes()).collect();
    fs::write(&file, "").unwrap();
    expect_refusal(&disk.store(), "it is empty");
    for garbage in [b"x".as_slice(), b"{\"leases\":[]}\n", &[0; 4096], &vec![0; 65536], &vec![255; 65536], &noise] {
        fs::write(&file, garbage).unwrap();
        expect_refusal(&disk.store(), "it is not an LMDB file");
    }
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    expect_refusal(&disk.store(), "it is not a regular file");
    fs::remove_dir(&file).unwrap();
    symlink(disk.path().join("elsewhere"), &file).unwrap();
    expect_refusal(&disk.store(), "it is not a regular file");
}

#[test]
fn the_refusal_says_how_to_go_on() {
    let disk = Tmpfs::of("8m");
    fs::create_dir(disk.store()).unwrap();
    fs::write(disk.store().join("leases.mdb"), "").unwrap();
    let error = try_open(&disk.store()).err().unwrap().to_string();
    for part in ["is damaged", "nothing was changed", "run `ginghamctl recover"] {
        assert!(error.contains(part), "{error}");
    }
}

/// Some hundred attachments and a note over several pages.
fn large(directory: &Path) {
    let mut ledger = open(directory);
    for n in 0..600u32 {
        let v4 = std::net::Ipv4Addr::from(0x0a00_0000 + 3 * n).into();
        ledger.attach(&container(n), &record(&[v4, ip(&format!("fd00::{n:x}"))])).unwrap();
    }
    ledger.put_state("big", Some(&vec![7; 20_000])).unwrap();
    ledger.commit().unwrap();
}

#[test]
fn a_file_that_was_cut_off_is_noticed_wherever_it_was_cut() {
    let disk = Tmpfs::of("64m");
    large(&disk.store());
    let leases = check_invariants(&open(&disk.store()));
    let file = disk.store().join("leases.mdb");
    let whole = fs::read(&file).unwrap();
    let mut refused = 0;
    for length in (0..whole.len()).step_by(1024) {
        fs::write(&file, &whole[..length]).unwrap();
        let read = Store::open_read_only(&disk.store());
        match try_open(&disk.store()) {
            Err(error) => {
                assert!(matches!(error, StoreError::Damaged { .. }), "cut to {length}: {error:?}");
                assert!(matches!(read, Err(StoreError::Damaged { .. })), "cut to {length}, for reading");
                assert_eq!(fs::metadata(&file).unwrap().len(), length as u64, "the proof stays");
                refused += 1;
            }
            // Cut off were pages that held nothing.
            Ok(ledger) => {
                assert_eq!(check_invariants(&ledger), leases, "cut to {length}");
                assert_eq!(ledger.state_value("big").unwrap().unwrap(), vec![7; 20_000], "cut to {length}");
            }
        }
    }
    assert!(refused > whole.len() / 1024 / 2, "{refused} refused of {} bytes", whole.len());
}

#[test]
fn a_broken_header_is_an_error_or_harmless() {
    let disk = Tmpfs::of("8m");
    large(&disk.store());
    let file = disk.store().join("leases.mdb");
    let whole = fs::read(&file).unwrap();
    for place in (0..160).chain(4096..4096 + 160) {
        for value in [0x00, 0xff] {
            let mut broken = whole.clone();
            broken[place] = value;
            fs::write(&file, broken).unwrap();
            // The older of the two headers does not matter; what matters is that the process lives.
            let Ok(ledger) = try_open(&disk.store()) else { continue };
            let _ = (ledger.attachments(), ledger.next_unused(range("10.0.0.0/8")), ledger.state_value("big"));
        }
    }
}

#[test]
fn pages_lost_with_the_power_are_noticed_after_the_reboot() {
    let disk = Tmpfs::of("64m");
    large(&disk.store());
    let mut ledger = open(&disk.store());
    (0..600).for_each(|n| drop(ledger.detach(&container(n), NOW).unwrap()));
    ledger.commit().unwrap();
    let file = disk.store().join("leases.mdb");
    let whole = fs::read(&file).unwrap();
    let mut refused = 0;
    for page in 0..whole.len() / 4096 {
        let mut broken = whole.clone();
        broken[page * 4096..][..4096].fill(0);
        fs::write(&file, broken).unwrap();
        match Store::open(&disk.store(), "another boot", NOW) {
            Err(StoreError::Damaged { .. }) => refused += 1,
            Err(other) => panic!("page {page}: {other:?}"),
            Ok(store) => {
                let ledger = store.into_ledger("net").unwrap();
                assert_eq!(ledger.cooling_count(range("::/0")).unwrap(), 600, "page {page}");
                check_invariants(&ledger);
            }
        }
    }
    assert!(refused > 20, "{refused} pages of {} matter", whole.len() / 4096);
}

#[test]
fn a_file_shorter_than_its_pages_is_fine_if_they_are_free() {
    let disk = Tmpfs::of("64m");
    add(&disk.store(), "a", "10.0.0.2");
    let big = vec![7; 60_000];
    for note in [Some(big.as_slice()), None, Some(b"1"), Some(b"2"), Some(b"3"), Some(b"4")] {
        let mut ledger = open(&disk.store());
        ledger.put_state("note", note).unwrap();
        ledger.commit().unwrap();
    }
    let file = disk.store().join("leases.mdb");
    let whole = fs::read(&file).unwrap();
    let mut accepted = 0;
    for cut in 1..whole.len() / 4096 {
        fs::write(&file, &whole[..whole.len() - cut * 4096]).unwrap();
        let Ok(reader) = Store::open_read_only(&disk.store()) else { break };
        assert_eq!(check_invariants(&reader.unwrap().ledger("net").unwrap()).len(), 1);
        let ledger = open(&disk.store());
        assert_eq!(ledger.state_value("note").unwrap().unwrap(), b"4");
        assert_eq!(check_invariants(&ledger).len(), 1);
        assert_eq!(fs::metadata(&file).unwrap().len(), whole.len() as u64, "it has its length again");
        accepted = cut;
    }
    assert!(accepted >= 8, "{accepted} pages at the end are free");
    assert!(try_open(&disk.store()).is_err(), "the next one is in use");
}

/// Writes one entry past the store's own code.
fn put(file: &Path, key: &[u8], value: &[u8]) {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    // SAFETY: nobody else has the file open in this test.
    let env = unsafe { options.map_size(1 << 20).flags(EnvFlags::NO_SUB_DIR | EnvFlags::NO_LOCK).open(file) }.unwrap();
    env.create_databases_and_commit(env.write_txn().unwrap(), |opener, txn| -> heed::Result<_> {
        let tree = opener.create_database::<Bytes, Bytes>(txn, None)?;
        tree.put(txn, key, value)?;
        Ok(CommitOrAbort::<_, ()>::Commit(()))
    })
    .unwrap();
}

#[test]
fn a_store_from_the_future_is_left_alone() {
    let disk = Tmpfs::of("8m");
    add(&disk.store(), "a", "10.0.0.2");
    put(&disk.store().join("leases.mdb"), &[0, 0], br#"{"schema":7,"boot":"b","created":1,"new":true}"#);
    expect_refusal(&disk.store(), "has schema 7; this version of Gingham reads up to schema 2");
    assert!(matches!(try_open(&disk.store()), Err(StoreError::Newer { found: 7, known: 2, .. })));
}

#[test]
fn another_programs_lmdb_file_is_left_alone() {
    let disk = Tmpfs::of("8m");
    fs::create_dir(disk.store()).unwrap();
    put(&disk.store().join("leases.mdb"), b"theirs", b"value");
    expect_refusal(&disk.store(), "it is another program's LMDB file");
    put(&disk.store().join("leases.mdb"), &[0, 0], b"no json");
    expect_refusal(&disk.store(), "its description is malformed");
}

#[test]
fn records_that_cannot_be_read_are_an_error_and_no_guess() {
    let disk = Tmpfs::of("8m");
    add(&disk.store(), "a", "10.0.0.2");
    put(&disk.store().join("leases.mdb"), b"\x02\x00\x00\x00\x01a\x00eth0", b"no json");
    let ledger = try_open(&disk.store()).unwrap();
    let error = ledger.attachment(&container("a")).unwrap_err();
    assert!(error.to_string().contains("an attachment cannot be read"), "{error}");
    assert!(matches!(ledger.attachments(), Err(StoreError::Damaged { .. })));
}

#[test]
fn records_of_a_later_version_can_be_read_and_are_not_lost() {
    let disk = Tmpfs::of("8m");
    add(&disk.store(), "a", "10.0.0.2");
    let later = br#"{"addresses":["10.0.0.2"],"since":5,"boot":"b","colour":"red"}"#;
    put(&disk.store().join("leases.mdb"), b"\x02\x00\x00\x00\x01a\x00eth0", later);
    let record = try_open(&disk.store()).unwrap().attachment(&container("a")).unwrap().unwrap();
    assert_eq!((record.addresses, record.since), (vec![ip("10.0.0.2")], 5));
}

#[test]
fn a_successor_that_was_never_finished_is_no_obstacle() {
    for left in [b"".as_slice(), b"garbage", &[0; 5000]] {
        let disk = Tmpfs::of("8m");
        fs::create_dir(disk.store()).unwrap();
        fs::write(disk.store().join("leases.new"), left).unwrap();
        assert!(Store::open_read_only(&disk.store()).unwrap().is_none(), "it is no store");
        add(&disk.store(), "a", "10.0.0.2");
        fs::write(disk.store().join("leases.new"), left).unwrap();
        drop(Store::open(&disk.store(), "another boot", NOW).unwrap());
        assert!(!disk.store().join("leases.new").exists());
    }
}

#[test]
fn a_kill_before_the_new_boot_was_written_down_is_made_good() {
    let disk = Tmpfs::of("8m");
    add(&disk.store(), "a", "10.0.0.2");
    put(&disk.store().join("leases.mdb"), &[0, 0], br#"{"schema":1,"boot":"","created":1}"#);
    let ledger = try_open(&disk.store()).unwrap();
    assert_eq!(check_invariants(&ledger).len(), 1, "an attachment of this boot stays");
    drop(ledger);
    assert_eq!(Store::open_read_only(&disk.store()).unwrap().unwrap().boot().unwrap(), BOOT);
}
