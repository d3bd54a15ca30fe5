//! A damaged store of an earlier boot is no obstacle: it is kept under another name, and a new one begins. In doubt which
//! boot it is of, it is left alone.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gingham_engine::ledger::{Ledger, LedgerQueries};
use gingham_engine::store::{Attachments, Event, Rebuilt, Store, StoreError};
use rustix::mount::{MountFlags, mount_remount};

use crate::fixtures::{BOOT, NOW, Tmpfs, add, check_invariants, container, ip, open, record};

const NEXT_BOOT: &str = "5f0f1b3c-0000-4000-8000-000000000002";

fn file(directory: &Path) -> PathBuf {
    directory.join("leases.mdb")
}

/// The damaged files that are kept.
fn kept(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut kept: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().contains(".damaged-")).collect();
    kept.sort();
    kept
}

/// A store with a lease, of [`BOOT`].
fn with_a_lease() -> Tmpfs {
    let disk = Tmpfs::of("16m");
    add(&disk.store(), "a", "10.0.0.2");
    disk
}

/// Something that is done to a store's file, and its name.
type Damage = (&'static str, Box<dyn Fn(&Path)>);

/// Something that makes it doubtful which boot a store is of.
type Doubt<'a> = (&'a str, Box<dyn Fn(&Tmpfs) + 'a>);

/// What may have become of the file of a store.
fn damages() -> Vec<Damage> {
    let overwrite = |file: &Path, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(file).unwrap();
        change(&mut bytes);
        fs::write(file, bytes).unwrap();
    };
    let removed = |file: &Path| fs::remove_file(file).unwrap();
    vec![
        ("empty", Box::new(|file: &Path| fs::write(file, "").unwrap())),
        ("zeroed", Box::new(move |file: &Path| overwrite(file, &|bytes| bytes.fill(0)))),
        ("zeroed pages", Box::new(move |file: &Path| overwrite(file, &|bytes| bytes[2 * 4096..].fill(0)))),
        ("zeroed headers", Box::new(move |file: &Path| overwrite(file, &|bytes| bytes[..2 * 4096].fill(0)))),
        ("cut off", Box::new(move |file: &Path| overwrite(file, &|bytes| bytes.truncate(bytes.len() / 2)))),
        ("one byte", Box::new(|file: &Path| fs::write(file, "x").unwrap())),
        (
            "wrong magic",
            Box::new(move |file: &Path| {
                overwrite(file, &|bytes| [16, 4096 + 16].iter().for_each(|at| bytes[*at] ^= 0xff));
            }),
        ),
        ("noise", Box::new(|file: &Path| fs::write(file, b"noise".repeat(5000)).unwrap())),
        (
            "directory",
            Box::new(move |file: &Path| {
                removed(file);
                fs::create_dir(file).unwrap();
                fs::write(file.join("inside"), "x").unwrap();
            }),
        ),
        (
            "symbolic link",
            Box::new(move |file: &Path| {
                removed(file);
                symlink("/nowhere", file).unwrap();
            }),
        ),
    ]
}

#[test]
fn on_another_boot_it_is_put_aside_whatever_the_damage() {
    for (name, damage) in damages() {
        let disk = with_a_lease();
        damage(&file(&disk.store()));
        let before = fs::read(file(&disk.store())).ok();
        let store = Store::open(&disk.store(), NEXT_BOOT, NOW).unwrap_or_else(|error| panic!("{name}: {error}"));
        let [Event::PutAside { kept: Some(path), .. }] = store.events() else { panic!("{name}: {:?}", store.events()) };
        assert_eq!(path.file_name().unwrap(), "leases.mdb.damaged-2023-11-14T22-13-20Z", "{name}");
        assert_eq!(kept(&disk.store()), std::slice::from_ref(path), "{name}");
        assert_eq!(fs::read(path).ok(), before, "{name}: the proof stays");
        let said = store.events()[0].to_string();
        assert!(said.contains("of an earlier boot is damaged") && said.contains(path.to_str().unwrap()), "{said}");
        let mut ledger = store.into_ledger("net").unwrap();
        assert!(check_invariants(&ledger).is_empty(), "{name}");
        ledger.attach(&container("b"), &record(&[ip("10.0.0.2")])).unwrap();
        ledger.commit().unwrap();
        let again = Store::open(&disk.store(), NEXT_BOOT, NOW).unwrap();
        assert!(again.events().is_empty(), "{name}: said once");
        assert_eq!(check_invariants(&again.into_ledger("net").unwrap()).len(), 1, "{name}");
    }
}

#[test]
fn within_the_boot_it_is_left_alone_whatever_the_damage() {
    for (name, damage) in damages() {
        let disk = with_a_lease();
        damage(&file(&disk.store()));
        let before = fs::symlink_metadata(file(&disk.store())).unwrap().ino();
        let error = Store::open(&disk.store(), BOOT, NOW).and_then(|store| store.into_ledger("net")).err();
        let error = error.unwrap_or_else(|| panic!("{name}: opened"));
        assert!(matches!(error, StoreError::Damaged { .. }), "{name}: {error}");
        let advice = format!("run `ginghamctl recover --data-dir {}`", disk.store().display());
        assert!(error.to_string().contains(&advice), "{error}");
        assert_eq!(fs::symlink_metadata(file(&disk.store())).unwrap().ino(), before, "{name}");
        assert!(kept(&disk.store()).is_empty(), "{name}");
    }
}

#[test]
fn in_doubt_which_boot_it_is_of_it_is_left_alone() {
    let mark = |disk: &Tmpfs| disk.store().join("leases.boot");
    let doubts: Vec<Doubt<'_>> = vec![
        ("no mark", Box::new(|disk| fs::remove_file(mark(disk)).unwrap())),
        ("an empty mark", Box::new(|disk| fs::write(mark(disk), "").unwrap())),
        ("a zeroed mark", Box::new(|disk| fs::write(mark(disk), [0; 50]).unwrap())),
        (
            "half a mark",
            Box::new(|disk| {
                let bytes = fs::read(mark(disk)).unwrap();
                fs::write(mark(disk), &bytes[..bytes.len() - 1]).unwrap();
            }),
        ),
        (
            "a directory",
            Box::new(|disk| {
                fs::remove_file(mark(disk)).unwrap();
                fs::create_dir(mark(disk)).unwrap();
            }),
        ),
        (
            "another file's mark",
            Box::new(|disk| {
                fs::copy(file(&disk.store()), disk.path().join("copy")).unwrap();
                fs::rename(disk.path().join("copy"), file(&disk.store())).unwrap();
            }),
        ),
    ];
    for (name, doubt) in doubts {
        let disk = with_a_lease();
        doubt(&disk);
        fs::write(file(&disk.store()), "").unwrap();
        let error = Store::open(&disk.store(), NEXT_BOOT, NOW).err().unwrap_or_else(|| panic!("{name}: opened"));
        assert!(matches!(error, StoreError::Damaged { .. }), "{name}: {error}");
        assert_eq!(fs::metadata(file(&disk.store())).unwrap().len(), 0, "{name}: it is still there");
    }
}

#[test]
fn a_boot_that_is_not_known_is_no_other_boot() {
    for boot in ["", "another boot", "00000000-0000-0000-0000-000000000000"] {
        let disk = with_a_lease();
        fs::write(file(&disk.store()), "").unwrap();
        assert!(matches!(Store::open(&disk.store(), boot, NOW), Err(StoreError::Damaged { .. })), "{boot:?}");
    }
}

#[test]
fn without_a_mark_the_store_itself_says_which_boot_it_is_of() {
    let disk = Tmpfs::of("16m");
    let mut ledger = open(&disk.store());
    for n in 2..200 {
        ledger.attach(&container(n), &record(&[ip(&format!("10.0.0.{n}"))])).unwrap();
    }
    ledger.commit().unwrap();
    fs::remove_file(disk.store().join("leases.boot")).unwrap();
    let whole = fs::read(file(&disk.store())).unwrap();
    let mut put_aside = 0;
    for page in 2..whole.len() / 4096 {
        let mut broken = whole.clone();
        broken[page * 4096..][..4096].fill(0);
        fs::write(file(&disk.store()), broken).unwrap();
        match Store::open(&disk.store(), NEXT_BOOT, NOW) {
            Ok(store) => put_aside += usize::from(matches!(store.events(), [Event::PutAside { .. }])),
            Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "{page}: {error}"),
        }
        let _ = fs::remove_file(disk.store().join("leases.boot"));
        fs::write(file(&disk.store()), &whole).unwrap();
    }
    assert!(put_aside > 0);
}

#[test]
fn kept_files_are_never_overwritten_and_not_without_number() {
    let disk = with_a_lease();
    for round in 0..12u8 {
        let boot = format!("5f0f1b3c-0000-4000-8000-0000000001{round:02}");
        fs::write(file(&disk.store()), [round]).unwrap();
        // Twice in each second.
        drop(Store::open(&disk.store(), &boot, NOW + u64::from(round / 2) * 1_000).unwrap());
        let newest = kept(&disk.store()).pop().unwrap();
        assert_eq!(fs::read(newest).unwrap(), [round]);
    }
    let bytes: Vec<Vec<u8>> = kept(&disk.store()).iter().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(bytes, (4..12u8).map(|round| vec![round]).collect::<Vec<_>>(), "the latest eight");
}

#[test]
fn a_store_that_vanished_within_the_boot_is_missed() {
    let disk = with_a_lease();
    fs::remove_file(file(&disk.store())).unwrap();
    let error = Store::open(&disk.store(), BOOT, NOW).err().unwrap().to_string();
    assert!(error.contains("it is missing, and leases of this boot were in it"), "{error}");
    assert!(!file(&disk.store()).exists());
    let ledger = Store::open(&disk.store(), NEXT_BOOT, NOW).unwrap().into_ledger("net").unwrap();
    assert!(check_invariants(&ledger).is_empty());
}

#[test]
fn a_full_disk_keeps_the_damaged_store_and_is_an_error_until_there_is_room() {
    let disk = Tmpfs::of("1m");
    add(&disk.store(), "a", "10.0.0.2");
    fs::write(file(&disk.store()), "").unwrap();
    let filler = disk.path().join("filler");
    let mut writer = fs::File::create(&filler).unwrap();
    while io::Write::write_all(&mut writer, &[1; 4096]).is_ok() {}
    let error = Store::open(&disk.store(), NEXT_BOOT, NOW).err().unwrap();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert_eq!(fs::metadata(file(&disk.store())).unwrap().len(), 0, "still in its place");
    assert!(!disk.store().join("leases.new").exists());
    drop(writer);
    fs::remove_file(filler).unwrap();
    let store = Store::open(&disk.store(), NEXT_BOOT, NOW).unwrap();
    assert!(matches!(store.events(), [Event::PutAside { .. }]));
}

#[test]
fn on_a_read_only_file_system_nothing_is_put_aside() {
    let disk = with_a_lease();
    fs::write(file(&disk.store()), "").unwrap();
    let remount = |flags| mount_remount(disk.path(), flags, c"").unwrap();
    remount(MountFlags::RDONLY);
    let error = Store::open(&disk.store(), NEXT_BOOT, NOW).err().unwrap();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    remount(MountFlags::empty());
    drop(Store::open(&disk.store(), NEXT_BOOT, NOW).unwrap());
}

#[test]
fn what_is_in_the_place_of_its_own_files_is_no_obstacle() {
    for name in ["leases.new", "leases.boot", "leases.boot.new"] {
        let disk = with_a_lease();
        let _ = fs::remove_file(disk.store().join(name));
        fs::create_dir(disk.store().join(name)).unwrap();
        fs::write(disk.store().join(name).join("inside"), "x").unwrap();
        let store = Store::open(&disk.store(), NEXT_BOOT, NOW).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(check_invariants(&store.into_ledger("net").unwrap()).is_empty());
        let [kept] = kept(&disk.store()).try_into().unwrap();
        assert!(kept.join("inside").exists(), "{name}");
        fs::write(file(&disk.store()), "").unwrap();
        let third = "5f0f1b3c-0000-4000-8000-000000000003";
        assert!(Store::open(&disk.store(), third, NOW).is_ok(), "{name}: the mark is right again");
    }
}

/// An administrator moves the file away, or a backup puts it back, at any moment.
#[test]
fn a_file_that_vanishes_while_it_is_opened_leaves_no_empty_one() {
    let disk = with_a_lease();
    let (store, hidden) = (file(&disk.store()), disk.store().join("leases.hidden"));
    let (is_over, tried) = (AtomicBool::new(false), AtomicUsize::new(0));
    let wait_for_two_tries = || {
        let before = tried.load(Ordering::SeqCst);
        while tried.load(Ordering::SeqCst) < before + 2 {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|scope| {
        let mover = scope.spawn(|| {
            let mut left = 0;
            for _ in 0..1_000 {
                fs::rename(&store, &hidden).unwrap();
                wait_for_two_tries();
                left += usize::from(store.exists());
                fs::rename(&hidden, &store).unwrap();
                wait_for_two_tries();
            }
            is_over.store(true, Ordering::SeqCst);
            left
        });
        while !is_over.load(Ordering::SeqCst) {
            if let Ok(opened) = Store::open(&disk.store(), BOOT, NOW) {
                assert_eq!(check_invariants(&opened.into_ledger("net").unwrap()).len(), 1);
            }
            tried.fetch_add(1, Ordering::SeqCst);
        }
        assert_eq!(mover.join().unwrap(), 0, "something was left in its place");
    });
    assert_eq!(check_invariants(&open(&disk.store())).len(), 1);
}

#[test]
fn a_damaged_store_is_rebuilt_from_what_is_known() {
    let attachments: Attachments = [
        (
            "net".to_owned(),
            vec![(container("a"), record(&[ip("10.0.0.2"), ip("fd00::2")])), (container("b"), record(&[]))],
        ),
        ("other".to_owned(), vec![(container("a"), record(&[ip("10.0.0.2")]))]),
    ]
    .into();
    for (name, damage) in damages() {
        let disk = with_a_lease();
        assert_eq!(Store::rebuild(&disk.store(), BOOT, NOW, &attachments).unwrap(), Rebuilt::Sound, "{name}");
        assert_eq!(check_invariants(&open(&disk.store())).len(), 1, "{name}: a sound one stays");
        damage(&file(&disk.store()));
        assert!(matches!(Store::examine(&disk.store(), BOOT), Err(StoreError::Damaged { .. })), "{name}");
        let rebuilt = Store::rebuild(&disk.store(), BOOT, NOW, &attachments).unwrap();
        assert!(matches!(rebuilt, Rebuilt::Done { kept: Some(_) }), "{name}: {rebuilt:?}");
        Store::examine(&disk.store(), BOOT).unwrap();
        let ledger = open(&disk.store());
        assert_eq!(ledger.attachment_count().unwrap(), 2, "{name}");
        assert_eq!(ledger.holder(ip("fd00::2")).unwrap(), Some(container("a")), "{name}");
        check_invariants(&ledger);
        drop(ledger);
        let other = Store::open(&disk.store(), BOOT, NOW).unwrap().into_ledger("other").unwrap();
        assert_eq!(check_invariants(&other).len(), 1, "{name}");
    }
}

#[test]
fn a_store_that_is_missed_is_rebuilt_too() {
    let disk = with_a_lease();
    fs::remove_file(file(&disk.store())).unwrap();
    let rebuilt = Store::rebuild(&disk.store(), BOOT, NOW, &Attachments::new()).unwrap();
    assert_eq!(rebuilt, Rebuilt::Done { kept: None });
    assert!(check_invariants(&open(&disk.store())).is_empty());
}
