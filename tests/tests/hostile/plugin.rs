//! The same guests through the plugin's binary, as an IPAM plugin and, for some, as the main plugin.

use std::net::IpAddr;

use gingham_tests::cni::{Cni, Fault, addresses};
use gingham_tests::guests::guest;
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only_with, bridged_with, with};
use gingham_tests::node::Node;
use serde_json::{Value, json};

use crate::guest_call::{Before, GuestCall};

/// Runs the call on a node of its own and gives the one error that the runtime sees.
pub(crate) fn run(call: &GuestCall) -> Fault {
    let node = Node::new();
    let network = |policy: &str| network_of(call, policy);
    for name in [call.guest, "honest", "answers_always_the_same"] {
        guest(name).install();
    }
    if matches!(call.before, Before::Leased | Before::Resting) {
        let first = node.container("first");
        Cni::add(&network("answers_always_the_same"), &first).run().result();
        if matches!(call.before, Before::Resting) {
            Cni::del(&network("answers_always_the_same"), &first).run().succeeds();
        }
    }
    let before = kernel::leases("sins");
    let victim = node.container("victim");
    let fault = Cni::add(&asking(network(call.guest), &call.requested), &victim).run().fault();
    assert_eq!(kernel::leases("sins"), before, "the call left a lease");
    Cni::del(&network(call.guest), &victim).run().succeeds();
    let next = Cni::add(&network("honest"), &node.container("next")).run().result();
    assert_eq!(addresses(&next).len(), 1, "a well-behaved policy works at once");
    fault
}

fn network_of(call: &GuestCall, policy: &str) -> Value {
    let own = json!({"name": "sins", "ipam": {"type": "gingham", "policy": policy, "subnet": null}});
    addresses_only_with(with(own, json!({"ipam": call.ipam})))
}

fn asking(mut network: Value, requested: &[IpAddr]) -> Value {
    if !requested.is_empty() {
        network["runtimeConfig"] = json!({"ips": requested});
    }
    network
}

/// As the main plugin: the kernel is as if the call had never been.
pub(crate) fn leaves_no_link(policy: &str) {
    let node = Node::new();
    guest(policy).install();
    guest("honest").install();
    let ipam = |policy: &str| json!({"name": "sins", "ipMasq": true, "ipam": {"type": policy, "subnet": null}});
    let victim = node.container("victim");
    Cni::add(&bridged_with(ipam(policy)), &victim).run().fault();
    assert_eq!((kernel::links(), victim.inside(kernel::links)), (vec![], vec![]), "not even the bridge was made");
    assert_eq!(kernel::masqueraded("sins"), [""; 0]);
    Cni::add(&bridged_with(ipam("honest")), &victim).run().result();
    kernel::reaches(&victim, "10.66.0.1".parse().unwrap());
}
