//! The name under which the binary runs decides what it is: main plugin, IPAM plugin, or not concerned. And what it is
//! not itself, it asks another plugin on `CNI_PATH` for.

use std::os::unix::fs::PermissionsExt;

use gingham_tests::cni::{Cni, address};
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only_with, bridged_with, seed, with};
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

#[test]
fn as_ipam_of_another_main_plugin_it_touches_no_kernel() {
    let node = Node::new();
    let c1 = node.container("c1");
    for ipam in ["host-local", "gingham"] {
        let network = addresses_only_with(json!({"name": ipam, "ipam": {"type": ipam, "policy": "host-local"}}));
        let result = Cni::add(&network, &c1).program(ipam).run().result();
        assert_eq!(result, json!({"cniVersion": "1.1.0", "ips": [{"address": "10.7.0.2/24", "gateway": "10.7.0.1"}]}));
        assert_eq!((kernel::links(), c1.inside(kernel::links)), (vec![], vec![]));
        Cni::check(&network, &c1, &result).run().succeeds();
        Cni::del(&network, &c1).run().succeeds();
        assert_eq!(Cni::check(&network, &c1, &result).run().fault().code, 3);
        assert_eq!(kernel::leases(ipam), [""; 0]);
    }
}

/// The reference's own `host-local` hands out addresses, whatever the configuration's `type` is.
#[test]
fn under_a_policys_name_it_is_never_the_main_plugin() {
    let node = Node::new();
    let network = addresses_only_with(json!({"type": "host-local"}));
    let c1 = node.container("c1");
    let result = Cni::add(&network, &c1).program("host-local").run().result();
    assert_eq!(result["interfaces"], json!(null));
    assert_eq!((kernel::links(), c1.inside(kernel::links)), (vec![], vec![]));
    Cni::check(&network, &c1, &result).program("host-local").run().succeeds();
    Cni::status(&network).program("host-local").run().succeeds();
    Cni::del(&network, &c1).program("host-local").run().succeeds();
    assert_eq!(kernel::leases("mynet"), [""; 0]);
    let without = with(network, json!({"ipam": null}));
    let fault = Cni::add(&without, &c1).program("host-local").run().fault();
    assert!(fault.code == 7 && fault.msg.contains("IPAM config missing 'ipam' key"), "{fault:?}");
}

#[test]
fn as_ipam_it_reads_no_keys_of_the_main_plugin() {
    let node = Node::new();
    let network = addresses_only_with(json!({"bridge": 7, "mtu": "whatever", "vlan": "blue"}));
    Cni::add(&network, &node.container("c1")).run().result();
}

/// For containers that share the node's network: the interface becomes the node's, as its owner wants.
#[test]
fn the_plugins_own_namespace_only_where_it_is_asked_for() {
    let node = Node::new();
    let network = bridged_with(json!({"ipMasq": true}));
    let own = |call: Cni| call.netns("/proc/thread-self/ns/net");
    let c1 = node.container("c1");
    let fault = own(Cni::add(&network, &c1)).run().fault();
    assert_eq!(fault.code, 8, "{fault:?}");
    assert_eq!(fault.msg, "plugin's netns and netns from CNI_NETNS should not be the same");
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0], "nothing was done");
    let result = own(Cni::add(&network, &c1)).variable("CNI_NETNS_OVERRIDE", "True").run().result();
    assert_eq!(kernel::addresses("eth0"), [format!("{}/24", address(&result))]);
    own(Cni::del(&network, &c1)).variable("CNI_NETNS_OVERRIDE", "1").run().succeeds();
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

#[test]
fn under_a_name_the_configuration_does_not_have_it_is_not_concerned() {
    let node = Node::new();
    let fault = Cni::add(&seed(), &node.container("c1")).program("gingham").run().fault();
    assert_eq!(fault.code, 7, "{fault:?}");
    assert!(fault.msg.contains("net-script") && fault.msg.contains("gingham"), "{fault:?}");
    assert_eq!(kernel::links(), [""; 0]);
}

/// An IPAM plugin of somebody else: keeps a diary of its calls and answers as it is told to.
fn other_ipam(answer: &str) {
    let script = format!(
        "#!/bin/sh\necho \"$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME\" >> /run/diary\ncat > /run/input.$CNI_COMMAND\n{answer}\n"
    );
    std::fs::write("/run/plugins/other-ipam", script).unwrap();
    std::fs::set_permissions("/run/plugins/other-ipam", std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn diary() -> Vec<String> {
    std::fs::read_to_string("/run/diary").unwrap_or_default().lines().map(str::to_owned).collect()
}

fn delegated() -> (Node, Value, Container) {
    let node = Node::new();
    let network =
        bridged_with(json!({"ipMasq": true, "ipam": {"type": "other-ipam", "subnet": null, "flavour": "vanilla"}}));
    let c1 = node.container("c1");
    (node, network, c1)
}

const GRANTS: &str = r#"[ "$CNI_COMMAND" = ADD ] && echo '{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.7/24","gateway":"10.9.0.1"}],"routes":[{"dst":"0.0.0.0/0"}],"dns":{"nameservers":["10.9.0.53"]}}'; exit 0"#;

#[test]
fn another_ipam_plugin_is_asked_and_asked_to_take_back() {
    let (_node, network, c1) = delegated();
    other_ipam(GRANTS);
    let result = Cni::add(&network, &c1).run().result();
    assert_eq!(address(&result), "10.9.0.7");
    assert_eq!(result["dns"]["nameservers"], json!(["10.9.0.53"]));
    let input = std::fs::read_to_string("/run/input.ADD").unwrap();
    assert_eq!(input, network.to_string(), "it gets the very same bytes");
    assert_eq!(c1.inside(|| kernel::addresses("eth0")), ["10.9.0.7/24"]);
    assert_eq!(c1.inside(|| kernel::routes("eth0")), ["0.0.0.0/0 via 10.9.0.1"]);
    assert_eq!(kernel::masqueraded("mynet"), ["10.9.0.7"]);
    kernel::reaches(&c1, "10.9.0.1".parse().unwrap());
    Cni::check(&network, &c1, &result).run().succeeds();
    Cni::status(&network).run().succeeds();
    Cni::del(&network, &c1).run().succeeds();
    assert_eq!(diary(), ["ADD c1 eth0", "CHECK c1 eth0", "STATUS  ", "DEL c1 eth0"]);
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
    Cni::gc(&network, &[]).run().succeeds();
    assert_eq!(diary().last().unwrap(), "GC  ");
}

#[test]
fn its_error_passes_through_and_it_is_asked_to_take_back() {
    let (_node, network, c1) = delegated();
    other_ipam(
        r#"[ "$CNI_COMMAND" = ADD ] || exit 0; echo '{"code":11,"msg":"the lake is frozen","details":"until May"}'; exit 1"#,
    );
    let fault = Cni::add(&network, &c1).run().fault();
    assert_eq!((fault.code, fault.msg.as_str()), (11, "the lake is frozen"));
    assert!(fault.details.contains("until May"), "{fault:?}");
    assert_eq!(diary(), ["ADD c1 eth0", "DEL c1 eth0"]);
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

#[test]
fn one_that_dies_or_babbles_is_an_error_that_names_it() {
    for answer in ["kill -9 $$", "exit 3", "echo babble", "echo '{\"ips\":[{\"address\":\"nowhere\"}]}'"] {
        let (_node, network, c1) = delegated();
        other_ipam(&format!("[ \"$CNI_COMMAND\" = ADD ] || exit 0; {answer}"));
        let fault = Cni::add(&network, &c1).run().fault();
        assert!(fault.msg.contains("other-ipam"), "{answer}: {fault:?}");
        assert_eq!(kernel::traces("mynet", "cni0"), [""; 0], "{answer}");
        assert_eq!(diary(), ["ADD c1 eth0", "DEL c1 eth0"], "{answer}");
    }
}

#[test]
fn a_second_add_does_not_take_the_first_ones_addresses_away() {
    let (_node, network, c1) = delegated();
    other_ipam(GRANTS);
    Cni::add(&network, &c1).run().result();
    assert_eq!(Cni::add(&network, &c1).run().fault().code, 104);
    assert_eq!(diary(), ["ADD c1 eth0"], "the other plugin was not even asked");
    kernel::reaches(&c1, "10.9.0.1".parse().unwrap());
}

#[test]
fn when_it_cannot_take_back_del_fails_and_the_next_one_tries_again() {
    let (_node, network, c1) = delegated();
    other_ipam(GRANTS);
    Cni::add(&network, &c1).run().result();
    other_ipam(r#"echo '{"code":5,"msg":"the lake is dry"}'; exit 1"#);
    assert_eq!(Cni::del(&network, &c1).run().fault().msg, "the lake is dry");
    assert_eq!(c1.inside(kernel::links), [""; 0], "the link is gone all the same");
    other_ipam("exit 0");
    Cni::del(&network, &c1).run().succeeds();
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

#[test]
fn killed_while_it_delegates() {
    for place in ["add.recorded", "add.allocated", "add.veth"] {
        let (_node, network, c1) = delegated();
        other_ipam(GRANTS);
        std::fs::copy("/run/plugins/other-ipam", "/run/plugins-with-failpoints/other-ipam").unwrap();
        Cni::add(&network, &c1).failpoint(&format!("{place}=kill")).run().was_killed();
        Cni::del(&network, &c1).run().succeeds();
        assert_eq!(diary().last().unwrap(), "DEL c1 eth0", "{place}");
        assert_eq!(kernel::traces("mynet", "cni0"), [""; 0], "{place}");
    }
    let (_node, network, c1) = delegated();
    other_ipam(GRANTS);
    std::fs::copy("/run/plugins/other-ipam", "/run/plugins-with-failpoints/other-ipam").unwrap();
    Cni::add(&network, &c1).run().result();
    Cni::del(&network, &c1).failpoint("del.delegated=kill").run().was_killed();
    Cni::del(&network, &c1).run().succeeds();
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

/// A pod whose ADD failed because the other plugin's daemon is down must be deletable while it is down.
#[test]
fn a_del_without_an_add_succeeds_when_the_other_plugin_is_out_of_reach() {
    for answer in ["echo '{\"code\":999,\"msg\":\"no daemon\"}'; exit 1", "kill -9 $$"] {
        let (_node, network, c1) = delegated();
        other_ipam(answer);
        Cni::add(&network, &c1).run().fault();
        assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
        let outcome = Cni::del(&network, &c1).run();
        outcome.succeeds();
        assert!(outcome.stderr.contains("other-ipam") && outcome.stderr.contains("is not attached"), "{outcome:?}");
    }
}

#[test]
fn a_del_without_an_add_succeeds_when_the_other_plugin_was_removed() {
    let (node, network, c1) = delegated();
    other_ipam(GRANTS);
    Cni::add(&network, &c1).run().result();
    std::fs::remove_file("/run/plugins/other-ipam").unwrap();
    Cni::del(&network, &node.container("c2")).run().succeeds();
    assert_eq!(Cni::del(&network, &c1).run().fault().code, 7, "the other one's address is still to be taken back");
    other_ipam(GRANTS);
    Cni::del(&network, &c1).run().succeeds();
}
