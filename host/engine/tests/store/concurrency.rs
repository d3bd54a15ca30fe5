//! Many processes at once, and processes killed at any moment: nobody is lost, nobody gets another's address, and what
//! was committed stays. The other processes are this test binary, told by a variable which role to play.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::{Ledger, LedgerQueries};
use gingham_engine::store::Store;

use crate::fixtures::{BOOT, NOW, Tmpfs, add, check_invariants, container, ip, open, range, record};

const ROLE: &str = "GINGHAM_STORE_TEST_ROLE";
const DIRECTORY: &str = "GINGHAM_STORE_TEST_DIRECTORY";

fn start(role: &str, directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "concurrency::the_role_of_another_process", "--nocapture"])
        .env(ROLE, role)
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Nothing in a test run of its own; the other process in the tests below.
#[test]
fn the_role_of_another_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).unwrap());
    match role.split_once(' ').unwrap() {
        ("add", name) => (0..40).for_each(|n| add_one(&directory, &format!("{name}-{n}"))),
        ("come-and-go", _) => come_and_go(&directory),
        ("reboot", _) => reboot_for_ever(&directory),
        ("read", _) => println!("read {}", check_invariants(&reader(&directory)).len()),
        other => panic!("no role {other:?}"),
    }
}

fn reader(directory: &Path) -> gingham_engine::store::ReadLedger {
    Store::open_read_only(directory).unwrap().unwrap().ledger("net").unwrap()
}

fn add_one(directory: &Path, id: &str) {
    let mut ledger = open(directory);
    let address = ledger.next_unused(range("10.0.0.1-10.0.3.255")).unwrap().unwrap();
    ledger.attach(&container(id), &record(&[address])).unwrap();
    ledger.commit().unwrap();
}

#[test]
fn processes_that_write_at_once_get_different_addresses() {
    let disk = Tmpfs::of("8m");
    let mut others: Vec<Child> = ["a", "b", "c", "d"].map(|name| start(&format!("add {name}"), &disk.store())).into();
    for other in &mut others {
        assert!(other.wait().unwrap().success());
    }
    let leases = check_invariants(&open(&disk.store()));
    assert_eq!(leases.len(), 160);
    let owners: BTreeSet<&AttachmentKey> = leases.values().collect();
    assert_eq!(owners.len(), 160);
    // Each took the lowest one of its time, so together they left no gap.
    assert!(leases.keys().copied().eq((1..=160).map(|n| ip(&format!("10.0.0.{n}")))));
}

/// Waits until somebody waits for the lock of the directory.
fn await_waiter(directory: &Path) {
    let inode = format!(":{} ", fs::metadata(directory).unwrap().ino());
    let deadline = Instant::now() + Duration::from_secs(20);
    let waits = |line: &str| line.contains("->") && line.contains(&inode);
    while !fs::read_to_string("/proc/locks").unwrap().lines().any(waits) {
        assert!(Instant::now() < deadline, "nobody waits for the lock");
        std::thread::yield_now();
    }
}

#[test]
fn a_reader_waits_for_a_writer_and_sees_what_it_wrote() {
    let disk = Tmpfs::of("8m");
    add(&disk.store(), "a", "10.0.0.2");
    let mut ledger = open(&disk.store());
    let other = start("read -", &disk.store());
    await_waiter(&disk.store());
    ledger.attach(&container("b"), &record(&[ip("10.0.0.3")])).unwrap();
    ledger.commit().unwrap();
    let said = other.wait_with_output().unwrap();
    assert!(String::from_utf8(said.stdout).unwrap().contains("read 2\n"));
}

#[test]
fn a_writer_waits_for_a_reader() {
    let disk = Tmpfs::of("8m");
    add(&disk.store(), "a", "10.0.0.2");
    let ledger = reader(&disk.store());
    let mut other = start("add b", &disk.store());
    await_waiter(&disk.store());
    assert_eq!(ledger.attachment_count().unwrap(), 1);
    drop(ledger);
    assert!(other.wait().unwrap().success());
    assert_eq!(reader(&disk.store()).attachment_count().unwrap(), 41);
}

#[test]
fn readers_do_not_wait_for_each_other() {
    let disk = Tmpfs::of("8m");
    add(&disk.store(), "a", "10.0.0.2");
    let _mine = reader(&disk.store());
    let mut other = start("read -", &disk.store());
    let deadline = Instant::now() + Duration::from_secs(20);
    while other.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            other.kill().unwrap();
            panic!("a reader waits for another");
        }
        std::thread::yield_now();
    }
    let said = other.wait_with_output().unwrap();
    assert!(String::from_utf8(said.stdout).unwrap().contains("read 1\n"));
}

#[test]
fn threads_of_one_process_take_turns() {
    let disk = Tmpfs::of("8m");
    add(&disk.store(), "a", "10.0.0.2");
    std::thread::scope(|scope| {
        for name in 0..4 {
            let directory = disk.store();
            scope.spawn(move || {
                for n in 0..10 {
                    add_one(&directory, &format!("{name}-{n}"));
                    check_invariants(&reader(&directory));
                }
            });
        }
    });
    assert_eq!(check_invariants(&open(&disk.store())).len(), 41);
}

/// The state after so many commits of [`come_and_go`]: sixteen containers that come and go in turn.
fn attached_after(commits: u64) -> BTreeSet<AttachmentKey> {
    (0..16).filter(|n| (commits + 15 - n) / 16 % 2 == 1).map(|n| container(format!("c{n}"))).collect()
}

fn commits(ledger: &impl LedgerQueries) -> u64 {
    ledger.state_value("commits").unwrap().map_or(0, |note| String::from_utf8(note).unwrap().parse().unwrap())
}

/// Changes two things together in each commit, a container and the count of commits, until it is killed.
fn come_and_go(directory: &Path) {
    loop {
        let mut ledger = open(directory);
        let done = commits(&ledger);
        let key = container(format!("c{}", done % 16));
        if ledger.detach(&key, NOW + done).unwrap().is_none() {
            ledger.end_cooldowns(NOW + done.saturating_sub(20), 3).unwrap();
            let v4 = ledger.next_unused(range("10.0.0.0/8")).unwrap().unwrap();
            let v6 = ledger.next_unused(range("fd00::/64")).unwrap().unwrap();
            ledger.attach(&key, &record(&[v4, v6])).unwrap();
        }
        ledger.put_state("commits", Some((done + 1).to_string().as_bytes())).unwrap();
        ledger.commit().unwrap();
        println!("committed {}", done + 1);
    }
}

/// Lets a process run for a while, kills it, and says what it said last.
fn kill_after(mut other: Child, microseconds: u64) -> Option<u64> {
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines().map(Result::unwrap);
    let number = |line: String| line.strip_prefix("committed ").map(|n| n.parse::<u64>().unwrap());
    let first = lines.find_map(number);
    let end = Instant::now() + Duration::from_micros(microseconds);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
    other.kill().unwrap();
    other.wait().unwrap();
    lines.filter_map(number).last().or(first)
}

#[test]
fn a_writer_killed_at_any_moment_leaves_what_it_committed() {
    let disk = Tmpfs::of("8m");
    let mut at_least = 0;
    for round in 0..60 {
        let said = kill_after(start("come-and-go -", &disk.store()), round * 37 % 1900);
        let ledger = open(&disk.store());
        let done = commits(&ledger);
        at_least = said.unwrap_or(at_least);
        assert!((at_least..=at_least + 1).contains(&done), "it said {at_least}, the store has {done}");
        check_invariants(&ledger);
        let attached: BTreeSet<_> = ledger.attachments().unwrap().into_iter().map(|(key, _)| key).collect();
        assert_eq!(attached, attached_after(done));
        at_least = done;
    }
    assert!(at_least > 60);
}

/// Every change is the first one of a new boot, so that the store's file is replaced each time.
fn reboot_for_ever(directory: &Path) {
    let mut done = reader_or_none(directory);
    loop {
        let store = Store::open(directory, &format!("{BOOT}-{done}"), NOW).unwrap();
        let mut ledger = store.into_ledger("net").unwrap();
        assert_eq!(commits(&ledger), done);
        ledger.attach(&container(done), &record(&[ip("10.0.0.2")])).unwrap();
        done += 1;
        ledger.put_state("commits", Some(done.to_string().as_bytes())).unwrap();
        ledger.commit().unwrap();
        println!("committed {done}");
    }
}

fn reader_or_none(directory: &Path) -> u64 {
    let reader = Store::open_read_only(directory).unwrap();
    reader.map_or(0, |reader| commits(&reader.ledger("net").unwrap()))
}

#[test]
fn a_process_killed_while_it_replaces_the_store_leaves_one() {
    let disk = Tmpfs::of("8m");
    let mut at_least = 0;
    for round in 0..60 {
        let said = kill_after(start("reboot -", &disk.store()), round * 53 % 1900);
        at_least = said.unwrap_or(at_least);
        let done = reader_or_none(&disk.store());
        assert!((at_least..=at_least + 1).contains(&done), "it said {at_least}, the store has {done}");
        check_invariants(&reader(&disk.store()));
        at_least = done;
    }
    assert!(at_least > 60);
}
