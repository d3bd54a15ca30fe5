//! What is done in a namespace stays in it, and nothing but a network namespace is taken for one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod testbed;

use std::fs::File;

use gingham_net::netns::{NetNs, NetnsError};
use gingham_net::{bridge, link, sysctl};
use rustix::mount::mount_bind;
use testbed::{Kernel, on_a_fresh_host};

#[test]
fn a_missing_path_is_told_from_a_wrong_one() {
    let directory = tempfile::tempdir().unwrap();
    let missing = NetNs::open(directory.path().join("gone")).expect_err("nothing is there");
    assert!(missing.is_missing());
    assert!(missing.to_string().contains("does not exist"), "{missing}");

    let file = directory.path().join("file");
    File::create(&file).unwrap();
    for wrong in [file.as_path(), directory.path(), "/proc/cpuinfo".as_ref(), "/proc/self/ns/uts".as_ref()] {
        let error = NetNs::open(wrong).expect_err("not a network namespace");
        assert!(matches!(error, NetnsError::NotANamespace { .. }), "{wrong:?}: {error}");
        assert!(!error.is_missing());
        assert!(error.to_string().contains(wrong.to_str().unwrap()), "{error}");
    }
    let uts = NetNs::open("/proc/self/ns/uts").expect_err("another kind of namespace").to_string();
    assert!(uts.contains("another kind of namespace"), "{uts}");
}

#[test]
fn a_namespace_is_the_same_by_any_path() {
    let namespace = NetNs::create().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web-1");
    File::create(&path).unwrap();
    namespace
        .enter(|| mount_bind("/proc/thread-self/ns/net", &path))
        .unwrap()
        .expect("the runner gives tests a mount namespace");
    let named = NetNs::open(&path).unwrap();
    assert!(named.same_as(&namespace).unwrap());
    assert!(!named.same_as(&NetNs::create().unwrap()).unwrap());
    assert!(!named.same_as(&NetNs::current().unwrap()).unwrap());
    assert_eq!(named.path(), path);
    rustix::mount::unmount(&path, rustix::mount::UnmountFlags::DETACH).unwrap();
}

#[test]
fn entering_changes_nothing_for_the_caller() {
    let before = NetNs::current().unwrap().id().unwrap();
    let other = NetNs::create().unwrap();
    let inside = other.enter(|| NetNs::current().unwrap().id().unwrap()).unwrap();
    assert_eq!(inside, other.id().unwrap());
    assert_ne!(inside, before);
    let panicked = std::panic::catch_unwind(|| other.enter(|| panic!("a panic inside")));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"a panic inside"));
    assert_eq!(NetNs::current().unwrap().id().unwrap(), before);
}

#[test]
fn a_socket_stays_where_it_was_opened() {
    on_a_fresh_host(|host| {
        let other = NetNs::create().unwrap();
        let mut there = other.enter(Kernel::open).unwrap().unwrap();
        bridge::ensure(&mut there, "br0", None, false).unwrap();
        assert!(link::by_name(&mut there, "br0").unwrap().is_some());
        assert!(link::by_name(host, "br0").unwrap().is_none());
    });
}

#[test]
fn settings_are_those_of_the_namespace_that_is_entered() {
    on_a_fresh_host(|_| {
        // A namespace begins with what the machine has.
        sysctl::set("ipv4/ip_forward", "0").unwrap();
        let other = NetNs::create().unwrap();
        other.enter(sysctl::forward_ipv4).unwrap().unwrap();
        assert_eq!(other.enter(|| sysctl::get("ipv4/ip_forward")).unwrap().unwrap(), "1");
        assert_eq!(sysctl::get("ipv4/ip_forward").unwrap(), "0");
    });
}
