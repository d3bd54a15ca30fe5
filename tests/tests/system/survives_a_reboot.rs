//! The leases of an earlier boot never block an address; what must outlive a reboot does.

use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::ctl;
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only_with, bridged_with};
use gingham_tests::node::Node;
use serde_json::{Value, json};

const NEXT_BOOT: &str = "11111111-2222-4333-8444-555555555555";

/// Room for one container.
fn narrow(cooldown: &str) -> Value {
    addresses_only_with(json!({"ipam": {"rangeStart": "10.7.0.9", "rangeEnd": "10.7.0.9", "cooldown": cooldown}}))
}

#[test]
fn leases_of_an_earlier_boot_are_gone() {
    let node = Node::new();
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    Cni::add(&narrow("120s"), &c1).run().result();
    assert_eq!(Cni::add(&narrow("120s"), &c2).run().fault().code, 103, "in this boot the address is taken");
    node.pretend_reboot(NEXT_BOOT);
    c1.vanish();
    let again = Cni::add(&narrow("120s"), &c2).run();
    assert_eq!(address(&again.result()), "10.7.0.9");
    assert_eq!(kernel::leases("mynet"), ["c2 eth0 10.7.0.9"]);
    Cni::del(&narrow("120s"), &c1).without_netns().run().succeeds();
    assert_eq!(kernel::leases("mynet"), ["c2 eth0 10.7.0.9"], "a late DEL of the old one frees nothing of the new one");
}

#[test]
fn the_same_container_may_come_again() {
    let node = Node::new();
    let c1 = node.container("c1");
    Cni::add(&narrow("120s"), &c1).run().result();
    node.pretend_reboot(NEXT_BOOT);
    assert_eq!(address(&Cni::add(&narrow("120s"), &c1).run().result()), "10.7.0.9");
}

#[test]
fn a_rest_goes_on_and_so_does_the_order_of_allocation() {
    let node = Node::new();
    let network = addresses_only_with(json!({"ipam": {"rangeStart": "10.7.0.9", "rangeEnd": "10.7.0.11"}}));
    for id in ["c1", "c2"] {
        let container = node.container(id);
        Cni::add(&network, &container).run().result();
        Cni::del(&network, &container).run().succeeds();
    }
    node.pretend_reboot(NEXT_BOOT);
    let c3 = node.container("c3");
    assert_eq!(address(&Cni::add(&network, &c3).run().result()), "10.7.0.11");
    let c4 = node.container("c4");
    let outcome = Cni::add(&network, &c4).run();
    assert_eq!(address(&outcome.result()), "10.7.0.9", "the one that rested longest");
    assert!(outcome.stderr.contains("10.7.0.9 is in use again"), "{}", outcome.stderr);
}

#[test]
fn check_and_status_know_that_it_is_another_boot() {
    let node = Node::new();
    let c1 = node.container("c1");
    let result = Cni::add(&narrow("0"), &c1).run().result();
    let full = Cni::status(&narrow("0")).run();
    assert!(full.is_success() && full.stderr.contains("no address is left"), "{full:?}");
    node.pretend_reboot(NEXT_BOOT);
    assert_eq!(Cni::check(&narrow("0"), &c1, &result).run().fault().code, 3);
    let status = Cni::status(&narrow("0")).run();
    assert!(status.is_success() && !status.stderr.contains("no address is left"), "{status:?}");
}

#[test]
fn leases_that_a_reboot_ended_are_counted_in_the_log() {
    let node = Node::new();
    let network = addresses_only_with(json!({}));
    for id in ["c1", "c2"] {
        Cni::add(&network, &node.container(id)).run().result();
    }
    node.pretend_reboot(NEXT_BOOT);
    let outcome = Cni::add(&network, &node.container("c3")).run();
    assert!(outcome.stderr.contains("dropped 2 attachments of containers, with 2 addresses"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(NEXT_BOOT), "{}", outcome.stderr);
    let outcome = Cni::add(&network, &node.container("c4")).run();
    assert_eq!(outcome.stderr, "", "once");
}

/// A sandbox may hide the file, or show one of its own.
#[test]
fn a_boot_id_that_is_none_ends_no_lease() {
    let node = Node::new();
    let network = bridged_with(json!({}));
    let c1 = node.container("c1");
    let result = Cni::add(&network, &c1).run().result();
    for shown in ["", "\n", "none", "00000000-0000-0000-0000-000000000000", "11111111-2222-4333-8444-55555555555"] {
        node.pretend_reboot(shown);
        let next = node.container(&format!("c{}", shown.len() + 10));
        for call in [Cni::add(&network, &next), Cni::check(&network, &c1, &result), Cni::del(&network, &next)] {
            let fault = call.run().fault();
            assert_eq!(fault.code, 5, "{shown:?}: {fault:?}");
            assert!(fault.msg.contains("boot_id") && fault.msg.contains("is not a UUID"), "{shown:?}: {fault:?}");
        }
        let said = ctl(&["gc"]).failed();
        assert!(said.contains("is not a UUID"), "{said}");
        assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2"], "{shown:?}");
    }
}
