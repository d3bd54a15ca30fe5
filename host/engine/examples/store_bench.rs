//! What the store costs: one ADD's and one DEL's part of it, from opening to the durable commit, at 0, 10,000 and
//! 1,000,000 leases, and the first opening after a reboot. Medians, in microseconds.
//!
//!     cargo run --example store_bench --features compiler [DIRECTORY…]
//!
//! Directories default to one below the working directory (a disk, usually) and /dev/shm (memory). Time is spent in
//! LMDB and the kernel; the development profile, which optimises dependencies, shows within a few per cent what the
//! shipped one does.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gingham_engine::address::IpRange;
use gingham_engine::attachment::{AttachmentKey, Pod};
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::store::Store;

type Outcome<T> = Result<T, Box<dyn Error>>;

const BOOT: &str = "boot-1";
const NOW: u64 = 1_700_000_000_000;
const ROUNDS: usize = 301;

fn main() -> Outcome<()> {
    let mut directories: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if directories.is_empty() {
        directories = vec![PathBuf::from("."), PathBuf::from("/dev/shm")];
    }
    println!(
        "{:>24} {:>9} | {:>7} {:>7} {:>7} {:>7} | {:>7} {:>7} | {:>9}",
        "directory", "leases", "open", "attach", "commit", "ADD", "DEL", "read", "file MB"
    );
    for directory in directories {
        let place = tempfile::tempdir_in(&directory)?;
        for leases in [0, 10_000, 1_000_000] {
            measure(&directory, &place.path().join(leases.to_string()), leases)?;
        }
        after_reboot(&directory, &place.path().join("100000"))?;
    }
    Ok(())
}

fn key(n: u32) -> AttachmentKey {
    // As long as a runtime's.
    AttachmentKey {
        container_id: format!("{:064x}", u128::from(n) * 0x9e37_79b9_7f4a_7c15_f39c),
        interface: "eth0".into(),
    }
}

fn record(address: IpAddr) -> AttachmentRecord {
    let pod = Pod { namespace: Some("default".into()), name: Some("web-5d4f8c7b9-abcde".into()), uid: None };
    let netns = "/var/run/netns/cni-5f0f1b3c-0000-4000-8000-000000000001".into();
    AttachmentRecord {
        addresses: vec![address],
        since: NOW,
        boot: BOOT.into(),
        netns,
        pod,
        ..AttachmentRecord::default()
    }
}

/// Every second address, which makes the most runs there can be.
fn fill(directory: &Path, leases: u32) -> Outcome<()> {
    let all: Vec<u32> = (0..leases).collect();
    // One transaction has room for a quarter of a million.
    for part in all.chunks(100_000) {
        let mut ledger = Store::open(directory, BOOT, NOW)?.into_ledger("net")?;
        for n in part {
            ledger.attach(&key(*n), &record(Ipv4Addr::from(0x0a00_0000 + 2 * n).into()))?;
        }
        ledger.commit()?;
    }
    Ok(())
}

fn measure(name: &Path, directory: &Path, leases: u32) -> Outcome<()> {
    fill(directory, leases)?;
    let within: IpRange = "10.0.0.0/7".parse()?;
    let [mut open, mut attach, mut commit, mut add, mut del, mut read]: [Vec<Duration>; 6] = Default::default();
    for n in 0..ROUNDS {
        let key = key(u32::MAX - u32::try_from(n)?);
        let times = add_one(directory, &key, within)?;
        for (sum, time) in [&mut open, &mut attach, &mut commit, &mut add].into_iter().zip(times) {
            sum.push(time);
        }
        let start = Instant::now();
        let reader = Store::open_read_only(directory)?.ok_or("no store")?;
        reader.ledger("net")?.next_unused(within)?;
        drop(reader);
        read.push(start.elapsed());
        let start = Instant::now();
        let mut ledger = Store::open(directory, BOOT, NOW)?.into_ledger("net")?;
        ledger.detach(&key, NOW)?;
        // Freed at once: the next round finds what this one found.
        ledger.end_cooldowns(NOW, 1)?;
        ledger.commit()?;
        del.push(start.elapsed());
    }
    let megabytes = std::fs::metadata(directory.join("leases.mdb"))?.len() >> 20;
    let [open, attach, commit, add, del, read] = [open, attach, commit, add, del, read].map(median);
    println!(
        "{:>24} {leases:>9} | {open:>7} {attach:>7} {commit:>7} {add:>7} | {del:>7} {read:>7} | {megabytes:>9}",
        name.display()
    );
    Ok(())
}

/// Opening, finding and recording an address, committing; and all of it.
fn add_one(directory: &Path, key: &AttachmentKey, within: IpRange) -> Outcome<[Duration; 4]> {
    let start = Instant::now();
    let mut ledger = Store::open(directory, BOOT, NOW)?.into_ledger("net")?;
    let opened = start.elapsed();
    let address = ledger.next_unused(within)?.ok_or("no address")?;
    ledger.attach(key, &record(address))?;
    let attached = start.elapsed();
    ledger.commit()?;
    let done = start.elapsed();
    Ok([opened, attached.saturating_sub(opened), done.saturating_sub(attached), done])
}

fn after_reboot(name: &Path, directory: &Path) -> Outcome<()> {
    fill(directory, 100_000)?;
    let start = Instant::now();
    let ledger = Store::open(directory, "boot-2", NOW)?.into_ledger("net")?;
    let took = start.elapsed();
    if ledger.attachment_count()? != 0 {
        return Err("the attachments of the earlier boot are still there".into());
    }
    println!("{:>24}    100000 | first opening after a reboot: {} ms", name.display(), took.as_millis());
    Ok(())
}

fn median(mut times: Vec<Duration>) -> u128 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0, Duration::as_micros)
}
