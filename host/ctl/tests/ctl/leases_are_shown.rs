//! `leases` reads the store as it is, and changes and makes nothing.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use gingham_engine::attachment::{AttachmentKey, Pod};
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::store::Store;
use serde_json::{Value, json};

use crate::program::{ctl, scrubbed};

pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned()
}

pub(crate) fn key(container: &str) -> AttachmentKey {
    AttachmentKey { container_id: container.to_owned(), interface: "eth0".to_owned() }
}

/// Records an attachment that came at a time, in milliseconds since the epoch.
pub(crate) fn attach(dir: &Path, network: &str, container: &str, addresses: &[&str], netns: &str, since: u64) {
    let pod = Pod { namespace: Some("shop".to_owned()), name: Some(format!("pod-{network}")), uid: None };
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    let (boot, netns) = (boot_id(), netns.to_owned());
    let record = AttachmentRecord { addresses, since, boot, netns, pod, ..AttachmentRecord::default() };
    write(dir, network, container, &record, now());
}

/// Records one that a reboot ended since.
pub(crate) fn attach_before_boot(dir: &Path, network: &str, container: &str, address: &str) {
    let (addresses, boot) = (vec![address.parse().unwrap()], "an-earlier-boot".to_owned());
    write(dir, network, container, &AttachmentRecord { addresses, since: 1, boot, ..AttachmentRecord::default() }, 1);
}

fn write(dir: &Path, network: &str, container: &str, record: &AttachmentRecord, now: u64) {
    let mut ledger = Store::open(dir, &record.boot, now).unwrap().into_ledger(network).unwrap();
    ledger.attach(&key(container), record).unwrap();
    ledger.commit().unwrap();
}

pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

fn leases(dir: &Path, more: &[&str]) -> String {
    let arguments = ["leases", "--data-dir", dir.to_str().unwrap()];
    ctl(arguments.iter().chain(more)).done()
}

fn json(dir: &Path, more: &[&str]) -> Value {
    serde_json::from_str(&leases(dir, &[&["--json"], more].concat())).unwrap()
}

#[test]
fn an_empty_machine_has_none_and_stays_empty() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("gingham");
    let misspelt = ctl(["leases", "--data-dir", data.to_str().unwrap()]).failed();
    assert!(misspelt.contains("gingham does not exist"), "{misspelt}");
    std::fs::create_dir(&data).unwrap();
    assert_eq!(leases(&data, &[]), "no leases\n");
    let unknown = ctl(["leases", "--data-dir", data.to_str().unwrap(), "--network", "nosuch"]).failed();
    assert!(unknown.contains("no network \"nosuch\" on this node"), "{unknown}");
    assert_eq!(json(&data, &[]), json!({"leases": [], "cooling": [], "reservations": []}));
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
}

#[test]
fn every_address_has_a_row() {
    let dir = tempfile::tempdir().unwrap();
    attach(
        dir.path(),
        "blue",
        &"abcdef012345".repeat(5),
        &["10.1.0.2", "fd00::2"],
        "/nowhere/netns/a",
        1_700_000_000_000,
    );
    attach(dir.path(), "blue", "short", &[], "", 1_700_000_000_000);
    attach(dir.path(), "red", "c1", &["10.2.0.2"], "/nowhere/netns/b", now());
    let table = leases(dir.path(), &[]);
    let days = (now() - 1_700_000_000_000) / 86_400_000;
    insta::assert_snapshot!(scrubbed(&table.replace(&format!("{days} days ago"), "N days ago")));
    let red = leases(dir.path(), &["--network", "red"]);
    assert!(red.contains("10.2.0.2") && !red.contains("blue"), "{red}");
}

#[test]
fn json_has_everything_in_full() {
    let dir = tempfile::tempdir().unwrap();
    let container = "abcdef012345".repeat(5);
    attach(dir.path(), "blue", &container, &["10.1.0.2", "fd00::2"], "/nowhere/netns/a", 1_700_000_000_000);
    let expected = json!({
        "leases": [{
            "network": "blue", "addresses": ["10.1.0.2", "fd00::2"], "containerId": container, "interface": "eth0",
            "pod": {"namespace": "shop", "name": "pod-blue"}, "netns": "/nowhere/netns/a",
            "since": "2023-11-14T22:13:20Z", "state": "in-use",
        }],
        "cooling": [],
        "reservations": [],
    });
    assert_eq!(json(dir.path(), &[]), expected);
}

#[test]
fn freed_addresses_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    attach(dir.path(), "blue", "c1", &["10.1.0.2", "fd00::2"], "", now());
    let mut ledger = Store::open(dir.path(), &boot_id(), now()).unwrap().into_ledger("blue").unwrap();
    ledger.detach(&key("c1"), now()).unwrap();
    ledger.commit().unwrap();
    let text = leases(dir.path(), &[]);
    assert_eq!(text, "no leases\nblue: 2 freed addresses are cooling\n");
    assert_eq!(json(dir.path(), &[])["cooling"], json!([{"network": "blue", "count": 2}]));
}

#[test]
fn a_cooldown_that_is_over_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    attach(dir.path(), "blue", "c1", &["10.1.0.2", "10.1.0.3"], "", now());
    let mut ledger = Store::open(dir.path(), &boot_id(), now()).unwrap().into_ledger("blue").unwrap();
    ledger.detach(&key("c1"), now() - 60_000).unwrap();
    ledger.commit().unwrap();
    let configured = tempfile::tempdir().unwrap();
    let config_dir = configured.path().to_str().unwrap();
    let shown = |cooldown: &str, data_dir: &Path| {
        let ipam = json!({"type": "host-local", "subnet": "10.1.0.0/24", "cooldown": cooldown, "dataDir": data_dir});
        let network = json!({"cniVersion": "1.0.0", "name": "blue", "type": "gingham", "ipam": ipam});
        std::fs::write(configured.path().join("blue.conf"), network.to_string()).unwrap();
        leases(dir.path(), &["--config-dir", config_dir])
    };
    let cooling = "no leases\nblue: 2 freed addresses are cooling\n";
    assert_eq!(shown("120s", dir.path()), cooling);
    assert_eq!(shown("30s", dir.path()), "no leases\n");
    assert_eq!(shown("0", dir.path()), "no leases\n");
    assert_eq!(shown("0", Path::new("/elsewhere")), cooling, "a network of that name with other leases");
    assert!(ctl(["leases", "--config-dir", "/nowhere"]).failed().contains("/nowhere does not exist"));
}

#[test]
fn after_a_reboot_leases_are_told_to_be_of_an_earlier_boot() {
    let dir = tempfile::tempdir().unwrap();
    attach_before_boot(dir.path(), "blue", "c1", "10.1.0.2");
    assert_eq!(json(dir.path(), &[])["leases"][0]["state"], "earlier-boot");
    assert!(leases(dir.path(), &[]).trim_end().ends_with("earlier boot"));
}

#[test]
fn others_may_write_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    attach(dir.path(), "blue", "first", &["10.1.0.1"], "", now());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in (0..250).cycle().take_while(|_| !done.load(Ordering::Relaxed)) {
                let mut ledger = Store::open(dir.path(), &boot_id(), now()).unwrap().into_ledger("blue").unwrap();
                ledger.detach(&key(&format!("c{number}")), now()).unwrap();
                ledger.commit().unwrap();
                attach(dir.path(), "blue", &format!("c{number}"), &[&format!("10.1.1.{number}")], "", now());
            }
        });
        for _ in 0..10 {
            let shown = json(dir.path(), &[]);
            assert!(!shown["leases"].as_array().unwrap().is_empty());
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn leases_stand_in_the_order_of_their_addresses() {
    let dir = tempfile::tempdir().unwrap();
    for (container, address) in [("a", "fd00::1"), ("b", "10.1.0.10"), ("c", "10.1.0.9"), ("d", "9.255.0.1")] {
        attach(dir.path(), "blue", container, &[address], "", now());
    }
    attach(dir.path(), "blue", "e", &[], "", now());
    attach(dir.path(), "azure", "f", &["10.9.0.1"], "", now());
    let shown = json(dir.path(), &[]);
    let order: Vec<&str> =
        shown["leases"].as_array().unwrap().iter().map(|lease| lease["containerId"].as_str().unwrap()).collect();
    assert_eq!(order, ["f", "d", "c", "b", "a", "e"]);
    let table = leases(dir.path(), &[]);
    let order: Vec<&str> = table.lines().skip(1).map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    assert_eq!(order, ["f", "d", "c", "b", "a", "e"]);
}

#[test]
fn where_there_is_no_pod_json_has_null() {
    let dir = tempfile::tempdir().unwrap();
    attach(dir.path(), "blue", "c1", &["10.1.0.2"], "", now());
    let mut ledger = Store::open(dir.path(), &boot_id(), now()).unwrap().into_ledger("blue").unwrap();
    let (_, record) = ledger.attachments().unwrap().remove(0);
    let bare = AttachmentRecord { pod: Pod::default(), addresses: vec!["10.1.0.3".parse().unwrap()], ..record };
    ledger.attach(&key("c2"), &bare).unwrap();
    ledger.commit().unwrap();
    let shown = json(dir.path(), &[]);
    assert_eq!((&shown["leases"][0]["pod"]["namespace"], &shown["leases"][1]["pod"]), (&json!("shop"), &Value::Null));
}
