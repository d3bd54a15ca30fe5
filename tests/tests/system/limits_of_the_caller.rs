//! What starts the plugin may limit it (`ulimit`): an ADD works with what is usual, or fails with an error.

use gingham_tests::cni::{Cni, Running, address};
use gingham_tests::kernel;
use gingham_tests::networks::bridged;
use gingham_tests::node::{Container, Node};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

fn add_with(container: &Container, resource: Resource, limit: u64) -> Running {
    let add = Cni::add(&bridged(), container).failpoint("add.planned=stop").start();
    add.await_halt();
    let both = Rlimit { current: Some(limit), maximum: Some(limit) };
    prlimit(Pid::from_raw(add.id().cast_signed()), resource, both).unwrap();
    add.go_on();
    add
}

#[test]
fn a_file_that_may_not_grow_is_an_error_and_not_a_death() {
    let node = Node::new();
    Cni::add(&bridged(), &node.container("c1")).run().result();
    for limit in [0, 4_096] {
        let fault = add_with(&node.container(&format!("c-{limit}")), Resource::Fsize, limit).end().fault();
        assert!(fault.msg.contains("File too large"), "{limit}: {fault:?}");
    }
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2"]);
    assert_eq!(address(&Cni::add(&bridged(), &node.container("c2")).run().result()), "10.7.0.3");
}

#[test]
fn a_gigabyte_of_address_space_is_enough() {
    let node = Node::new();
    for id in ["first", "second"] {
        add_with(&node.container(id), Resource::As, 1_000_000 << 10).end().result();
    }
}
