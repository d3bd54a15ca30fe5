//! `try --cluster 3`: three nodes, one of which is lost, with each kind of store.

use std::path::Path;
use std::process::Command;

use gingham_net::link;
use gingham_net::netlink::{Route, Socket};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::program::{CTL, Said, ctl, plugin};

const ETCD: &str = "/usr/bin/etcd";

fn try_three(more: &[&str]) -> Said {
    let plugin = plugin().to_str().unwrap();
    Said::by(Command::new(CTL).args(["try", "--cluster", "3", "--plugin", plugin]).args(more))
}

/// Everything that the issue wants to be seen, whatever the nodes agree by.
#[track_caller]
fn shows_everything(said: &str) {
    let parts = [
        "nodes    node-1 192.0.2.1, node-2 192.0.2.2, node-3 192.0.2.3:",
        // Three equal shares, then two.
        "node-1 *  10.32.0.0-10.37.85.255     1",
        "node-2    10.37.86.0-10.42.170.255   1",
        "node-3    10.42.171.0-10.47.255.255  1",
        "  share   AAAAAAAAAAAAAAAAAAAAA*BBBBBBBBBBBBBBBBBBBB*CCCCCCCCCCCCCCCCCCCCC",
        "node-1 *  10.32.0.0-10.39.255.255  1",
        "node-2    10.40.0.0-10.47.255.255  1",
        "taken over",
        "ping     pod-1 -> pod-2 10.",
        "ping     pod-2 -> pod-1 10.",
        "ping     pod-3 -> pod-1 10.",
        "lost     node-3",
        "takeover node-1 watches node-3 for 12 s",
        "traffic  pod-1 -> pod-2: ",
        "traffic  pod-2 -> pod-1: ",
        "success  in ",
    ];
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    for line in said.lines().filter(|line| line.starts_with("traffic")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [answered, sent] = [words[4], words[6]].map(|word| word.parse::<u32>().unwrap());
        assert!(sent > 100 && answered > 0, "{line}");
    }
    assert!(said.lines().count() <= 50, "{said}");
}

/// The names of this namespace's interfaces.
fn links() -> Vec<String> {
    let links = link::list(&mut Socket::<Route>::open().unwrap(), None).unwrap();
    links.into_iter().map(|link| link.name).collect()
}

#[test]
fn three_nodes_with_an_etcd() {
    if !skipped_tests::has(ETCD, "etcd-server") {
        return;
    }
    let before = links();
    let said = try_three(&[]).done();
    assert!(said.contains("store    an etcd of the trial (/usr/bin/etcd), http://192.0.2.254:2379\n"), "{said}");
    shows_everything(&said);
    assert_eq!(links(), before);
    assert!(!Path::new("/run/netns/pod-1").exists());
}

/// Moves this thread onto a machine that has no etcd and no identity.
fn become_a_bare_machine() {
    // SAFETY: the thread shares no file descriptors less than before; its working directory stays valid.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
    if Path::new(ETCD).exists() {
        mount_bind("/dev/null", ETCD).unwrap();
    }
    mount("tmpfs", "/etc", "tmpfs", MountFlags::empty(), None).unwrap();
    assert!(!Path::new("/etc/machine-id").exists());
}

fn on_a_bare_machine<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    // Built where cargo finds its configuration.
    plugin();
    std::thread::scope(|scope| {
        let there = || {
            become_a_bare_machine();
            work()
        };
        scope.spawn(there).join().unwrap()
    })
}

#[test]
fn three_nodes_with_a_directory_where_there_is_no_etcd() {
    let said = on_a_bare_machine(|| try_three(&[])).done();
    assert!(said.contains("store    a directory that all nodes share, because etcd is not installed\n"), "{said}");
    shows_everything(&said);
}

#[test]
fn what_cannot_be_is_said() {
    let said = on_a_bare_machine(|| try_three(&["--store", "etcd"])).failed();
    assert!(said.contains("etcd-server") && said.contains("--store directory"), "{said}");
    assert_eq!(ctl(["try", "--cluster", "2"]).code, Some(2));
    assert_eq!(ctl(["try", "--store", "directory"]).code, Some(2));
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), r#"{"cniVersion":"1.0.0","name":"n","type":"gingham"}"#).unwrap();
    let said = try_three(&[config.path().to_str().unwrap()]).failed();
    assert!(said.contains("`ipam` is missing"), "{said}");
}

#[test]
fn a_policy_that_divides_nothing_is_refused() {
    let config = tempfile::NamedTempFile::new().unwrap();
    let text =
        r#"{"cniVersion":"1.0.0","name":"n","type":"gingham","ipam":{"type":"host-local","subnet":"10.7.0.0/24"}}"#;
    std::fs::write(config.path(), text).unwrap();
    let said = try_three(&["--store", "directory", config.path().to_str().unwrap()]).failed();
    let words = "the policy host-local does not divide a range among nodes, so --cluster cannot try it";
    assert!(said.contains(words), "{said}");
}

#[test]
fn a_network_that_nodes_share_is_for_the_trial_of_several() {
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("x.conf");
    let text = r#"{"cniVersion":"1.0.0","name":"n","type":"gingham","ipam":{"type":"gingham","policy":"weave-split",
        "range":"10.32.0.0/12","cluster":{"store":"etcd","endpoints":["http://192.0.2.1:2379"]}}}"#;
    std::fs::write(&config, text).unwrap();
    let said = ctl(["try", "--plugin", plugin().to_str().unwrap(), config.to_str().unwrap()]).failed();
    assert!(said.contains("try it with `ginghamctl try --cluster 3 "), "{said}");
}
