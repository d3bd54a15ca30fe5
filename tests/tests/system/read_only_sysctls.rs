//! Where `/proc/sys` is read-only, as in a node that is a container: what is set already needs no writing, what is only a
//! nicety is a warning, and what is needed is an error that names it.

use gingham_net::sysctl;
use gingham_tests::cni::Cni;
use gingham_tests::kernel;
use gingham_tests::networks::bridged_with;
use gingham_tests::node::Node;
use rustix::mount::{MountFlags, mount_bind, mount_remount};
use serde_json::{Value, json};

fn make_read_only() {
    mount_bind("/proc/sys", "/proc/sys").unwrap();
    mount_remount("/proc/sys", MountFlags::BIND | MountFlags::RDONLY, "").unwrap();
    assert!(sysctl::set("ipv4/conf/lo/arp_notify", "1").is_err(), "it is not read-only");
}

fn network() -> Value {
    bridged_with(json!({"ipMasq": true}))
}

#[test]
fn forwarding_that_is_on_is_enough() {
    let node = Node::new();
    sysctl::forward_ipv4().unwrap();
    make_read_only();
    let c1 = node.container("c1");
    let outcome = Cni::add(&network(), &c1).run();
    outcome.result();
    kernel::reaches(&c1, "10.7.0.1".parse().unwrap());
    assert!(outcome.stderr.contains("net.ipv6.conf.cni0.accept_ra to 0: it is 1"), "{}", outcome.stderr);
}

#[test]
fn forwarding_that_is_off_is_an_error_that_names_it() {
    let node = Node::new();
    sysctl::set("ipv4/ip_forward", "0").unwrap();
    make_read_only();
    let fault = Cni::add(&network(), &node.container("c1")).run().fault();
    assert!(fault.msg.starts_with("cannot set the sysctl net.ipv4.ip_forward to 1: it is 0"), "{fault:?}");
    assert!(fault.msg.ends_with("with `sysctl -w net.ipv4.ip_forward=1`"), "{fault:?}");
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}
