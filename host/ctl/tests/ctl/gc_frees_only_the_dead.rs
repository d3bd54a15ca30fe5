//! `gc` frees what is certainly dead, keeps everything else, and says what it did.

use std::path::Path;

use gingham_engine::ledger::LedgerQueries;
use gingham_engine::store::Store;
use gingham_net::bridge;
use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};

use crate::leases_are_shown::{attach, attach_before_boot, boot_id, now};
use crate::program::{Said, ctl};

/// A namespace that is there for whoever looks.
const THERE: &str = "/proc/self/ns/net";

fn gc(dir: &Path, more: &[&str]) -> Said {
    let arguments = ["gc", "--data-dir", dir.to_str().unwrap()];
    ctl(arguments.iter().chain(more))
}

/// Containers attached to a network.
fn attached(dir: &Path, network: &str) -> Vec<String> {
    let Some(store) = Store::open_read_only(dir).unwrap() else { return Vec::new() };
    let attachments = store.ledger(network).unwrap().attachments().unwrap();
    attachments.into_iter().map(|(key, _)| key.container_id).collect()
}

/// A namespace's path at which nothing is any more.
fn gone(dir: &Path) -> String {
    dir.join("cni-gone").to_str().unwrap().to_owned()
}

#[test]
fn an_empty_machine_has_nothing_to_free() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("gingham");
    let misspelt = gc(&data, &[]).failed();
    assert!(misspelt.contains("gingham does not exist"), "{misspelt}");
    std::fs::create_dir(&data).unwrap();
    assert_eq!(gc(&data, &["--dry-run"]).done(), "would free 0 of 0 attachments\n");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
    assert_eq!(gc(&data, &[]).done(), "freed 0 of 0 attachments\n");
}

#[test]
fn the_living_and_the_doubtful_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    attach(data, "blue", "alive", &["10.1.0.2"], THERE, now());
    attach(data, "blue", "dead", &["10.1.0.3", "fd00::3"], &gone(data), now());
    attach(data, "blue", "nowhere", &["10.1.0.4"], "", now());
    attach(data, "blue", "elsewhere", &["10.1.0.5"], "/no/such/place/cni-1", now());
    let said = gc(data, &[]).done();
    assert_eq!(attached(data, "blue"), ["alive", "elsewhere", "nowhere"]);
    insta::assert_snapshot!(said.replace(data.to_str().unwrap(), "DIR"));
}

#[test]
fn a_freed_address_rests() {
    let dir = tempfile::tempdir().unwrap();
    attach(dir.path(), "blue", "dead", &["10.1.0.3"], &gone(dir.path()), now());
    gc(dir.path(), &[]).done();
    let store = Store::open_read_only(dir.path()).unwrap().unwrap();
    assert!(store.ledger("blue").unwrap().cooling_since("10.1.0.3".parse().unwrap()).unwrap().is_some());
}

#[test]
fn only_the_network_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    for network in ["blue", "red"] {
        attach(dir.path(), network, "dead", &["10.1.0.3"], &gone(dir.path()), now());
    }
    gc(dir.path(), &["--network", "blue"]).done();
    assert_eq!((attached(dir.path(), "blue").len(), attached(dir.path(), "red").len()), (0, 1));
}

#[test]
fn a_dry_run_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    attach(dir.path(), "blue", "dead", &["10.1.0.3"], &gone(dir.path()), now());
    let before = std::fs::read(dir.path().join("leases.mdb")).unwrap();
    let said = gc(dir.path(), &["--dry-run"]).done();
    assert!(said.starts_with("would free 1 of 1 attachment\n") && said.contains("10.1.0.3"), "{said}");
    assert_eq!(std::fs::read(dir.path().join("leases.mdb")).unwrap(), before);
}

#[test]
fn a_reboot_ended_everything_that_was_before_it() {
    let dir = tempfile::tempdir().unwrap();
    attach_before_boot(dir.path(), "blue", "old", "10.1.0.2");
    let said = gc(dir.path(), &["--dry-run"]).done();
    assert!(said.contains("would free 1") && said.contains("of an earlier boot"), "{said}");
    assert_eq!(attached(dir.path(), "blue"), ["old"]);
    let said = gc(dir.path(), &[]);
    assert!(said.out.contains("freed 1 of 1") && said.out.contains("10.1.0.2"), "{}", said.out);
    assert!(said.err.contains("dropped 1 attachment of containers, with 1 address"), "{}", said.err);
    assert_eq!(attached(dir.path(), "blue"), [""; 0]);
    assert_eq!(Store::open_read_only(dir.path()).unwrap().unwrap().boot().unwrap(), boot_id());
}

/// Something may live on in a namespace that has lost its name: no address is free while an interface may have it.
#[test]
fn what_still_has_an_interface_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    for container in ["dead", "linked"] {
        attach(dir.path(), "gc-linked", container, &[], &gone(dir.path()), now());
    }
    let mut kernel = Socket::<Route>::open().unwrap();
    bridge::ensure(&mut kernel, "gc-linked", None, false).unwrap();
    let change = Change { alias: Some("gingham gc-linked linked eth0"), ..Change::default() };
    link::change(&mut kernel, Which::Name("gc-linked"), &change).unwrap();
    let said = gc(dir.path(), &[]).done();
    assert_eq!(attached(dir.path(), "gc-linked"), ["linked"], "{said}");
    assert!(said.contains("its interface gc-linked is still here"), "{said}");
    link::delete(&mut kernel, Which::Name("gc-linked")).unwrap();
    gc(dir.path(), &[]).done();
    assert_eq!(attached(dir.path(), "gc-linked"), [""; 0]);
}
