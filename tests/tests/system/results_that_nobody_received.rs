//! A result that nobody received is a failed ADD: the runtime will not know of the container's interface, so nothing of it
//! remains. Standard error says why.

use std::os::unix::fs::PermissionsExt;

use gingham_tests::cni::{Cni, Output};
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only, bridged_with};
use gingham_tests::node::Node;
use serde_json::json;

const LOST: [Output; 4] = [Output::Abandoned, Output::Full, Output::ReadOnly, Output::Closed];

#[test]
fn an_add_is_undone() {
    let node = Node::new();
    let network = bridged_with(json!({"ipMasq": true, "macspoofchk": true}));
    for output in LOST {
        let c1 = node.container(&format!("{output:?}"));
        let outcome = Cni::add(&network, &c1).output(output).run();
        let said = outcome.complaint();
        assert!(said.contains("standard output: cannot write the result"), "{output:?}: {said}");
        assert_eq!(kernel::traces("mynet", "cni0"), [""; 0], "{output:?}");
        assert_eq!(c1.inside(kernel::links), [""; 0], "{output:?}");
        Cni::add(&network, &c1).run().result();
        Cni::del(&network, &c1).run().succeeds();
    }
}

#[test]
fn as_ipam_plugin_it_takes_the_addresses_back() {
    let node = Node::new();
    for output in LOST {
        let c1 = node.container(&format!("{output:?}"));
        Cni::add(&addresses_only(), &c1).output(output).run().complaint();
        assert_eq!(kernel::leases("mynet"), [""; 0], "{output:?}");
    }
}

#[test]
fn another_ipam_plugin_is_asked_to_take_back() {
    let node = Node::new();
    let script = r#"#!/bin/sh
echo "$CNI_COMMAND" >> /run/calls
cat > /dev/null
[ "$CNI_COMMAND" = ADD ] && echo '{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.7/24"}]}'
exit 0
"#;
    std::fs::write("/run/plugins/other-ipam", script).unwrap();
    std::fs::set_permissions("/run/plugins/other-ipam", std::fs::Permissions::from_mode(0o755)).unwrap();
    let network = bridged_with(json!({"ipam": {"type": "other-ipam", "subnet": null}}));
    Cni::add(&network, &node.container("c1")).output(Output::Abandoned).run().complaint();
    assert_eq!(std::fs::read_to_string("/run/calls").unwrap(), "ADD\nDEL\n");
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

#[test]
fn other_answers_that_are_lost_are_failures_too() {
    let node = Node::new();
    for output in LOST {
        Cni::of("VERSION", &json!({})).program("gingham").output(output).run().complaint();
        // The error itself is lost: standard error has it.
        let broken = bridged_with(json!({"mtu": "x"}));
        let outcome = Cni::add(&broken, &node.container(&format!("{output:?}"))).output(output).run();
        assert!(outcome.complaint().contains("mtu: found"), "{output:?}: {}", outcome.stderr);
    }
}

/// Whoever wants no result throws it away: that is not the same as not getting it.
#[test]
fn a_result_that_is_thrown_away_was_received() {
    let node = Node::new();
    let network = bridged_with(json!({}));
    let c1 = node.container("c1");
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", "exec /run/plugins/gingham > /dev/null < /run/config"]);
    std::fs::write("/run/config", network.to_string()).unwrap();
    shell.env_clear().env("CNI_COMMAND", "ADD").env("CNI_CONTAINERID", "c1").env("CNI_IFNAME", "eth0");
    shell.env("CNI_NETNS", &c1.netns).env("CNI_PATH", "/run/plugins");
    assert!(shell.status().unwrap().success());
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2"]);
}
