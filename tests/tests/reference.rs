//! Beside the reference plugins, Debian's package `containernetworking-plugins`: as IPAM of `bridge` and `macvlan`, and
//! with the reference `host-local` and `static` as IPAM.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::os::unix::fs::symlink;

use gingham_tests::cni::{Cni, address, addresses};
use gingham_tests::ctl::ctl;
use gingham_tests::guests::guest;
use gingham_tests::kernel;
use gingham_tests::networks::{bridged_with, with};
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

/// Where Debian installs them.
const REFERENCE: &str = "/usr/lib/cni";

/// Whether they are installed. Where they are not, the run ends by saying which tests wanted them.
fn are_installed() -> bool {
    skipped_tests::has(&format!("{REFERENCE}/bridge"), "containernetworking-plugins")
}

/// A call of a reference plugin; what it delegates to is looked for among ours first.
fn reference(call: Cni, program: &str) -> Cni {
    call.program(program).directory(REFERENCE)
}

fn under(main: &Value, ipam: &Value) -> Value {
    with(json!({"cniVersion": "1.0.0", "name": "mynet", "ipam": ipam}), main.clone())
}

fn bridge(ipam: &Value) -> Value {
    under(&json!({"type": "bridge", "bridge": "ref0", "isGateway": true}), ipam)
}

fn subnet(kind: &str) -> Value {
    json!({"type": kind, "policy": "host-local", "subnet": "10.7.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]})
}

/// ADD, CHECK, and DEL twice. The addresses are expected with their prefix lengths.
fn whole_life(network: &Value, program: &str, container: &Container, expected: &[&str]) {
    let result = reference(Cni::add(network, container), program).run().result();
    assert_eq!(container.inside(|| kernel::addresses("eth0")), expected, "{program}");
    let plain: Vec<&str> = expected.iter().map(|net| net.split('/').next().unwrap()).collect();
    let told: Vec<String> = addresses(&result).iter().map(ToString::to_string).collect();
    assert_eq!(told, plain, "{program}");
    reference(Cni::check(network, container, &result), program).run().succeeds();
    assert_eq!(kernel::leases("mynet"), [format!("{} eth0 {}", container.id, plain.join(" "))], "{program}");
    reference(Cni::del(network, container), program).run().succeeds();
    assert_eq!(kernel::leases("mynet"), [""; 0], "{program}");
    reference(Cni::del(network, container), program).run().succeeds();
}

#[test]
fn ipam_of_bridge() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    let network = bridge(&subnet("gingham"));
    let c1 = node.container("c1");
    whole_life(&network, "bridge", &c1, &["10.7.0.2/24"]);
    let c2 = node.container("c2");
    reference(Cni::add(&network, &c2), "bridge").run().result();
    kernel::reaches(&c2, "10.7.0.1".parse().unwrap());
}

#[test]
fn ipam_of_bridge_by_a_link_named_host_local() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    whole_life(
        &bridge(&with(subnet("host-local"), json!({"policy": null}))),
        "bridge",
        &node.container("c1"),
        &["10.7.0.2/24"],
    );
    assert!(!std::path::Path::new("/var/lib/cni").exists(), "the reference host-local was not asked");
}

/// A main plugin that puts the container beside the node on a link of the node's.
fn macvlan(node: &Node, ipam: &Value) -> Value {
    let switch = node.container("switch");
    kernel::add_veth(&switch, "port", "parent0");
    kernel::set_up("parent0");
    switch.inside(|| kernel::set_up("port"));
    under(&json!({"type": "macvlan", "master": "parent0", "mode": "bridge"}), ipam)
}

#[test]
fn ipam_of_macvlan() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    let network = macvlan(&node, &subnet("gingham"));
    whole_life(&network, "macvlan", &node.container("c1"), &["10.7.0.2/24"]);
    let (c2, c3) = (node.container("c2"), node.container("c3"));
    for container in [&c2, &c3] {
        reference(Cni::add(&network, container), "macvlan").run().result();
    }
    assert_eq!(kernel::seen_by(&c3, "10.7.0.4".parse().unwrap(), &c2).to_string(), "10.7.0.3");
}

#[test]
fn ipam_of_ptp() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    let network = under(&json!({"type": "ptp"}), &subnet("host-local"));
    whole_life(&network, "ptp", &node.container("c1"), &["10.7.0.2/24"]);
    let (c2, c3) = (node.container("c2"), node.container("c3"));
    for container in [&c2, &c3] {
        reference(Cni::add(&network, container), "ptp").run().result();
    }
    kernel::reaches(&c2, "10.7.0.1".parse().unwrap());
    assert_eq!(kernel::seen_by(&c3, "10.7.0.4".parse().unwrap(), &c2).to_string(), "10.7.0.3");
}

#[test]
fn two_families_under_each_main_plugin() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    let ranges = json!([[{"subnet": "10.7.0.0/24"}], [{"subnet": "fd07::/64"}]]);
    let ipam = json!({"type": "gingham", "policy": "host-local", "ranges": ranges, "cooldown": "0"});
    let mains =
        [("bridge", bridge(&ipam)), ("ptp", under(&json!({"type": "ptp"}), &ipam)), ("macvlan", macvlan(&node, &ipam))];
    for (last, (program, network)) in (2..).zip(mains) {
        // Each of them has the next addresses: the policy goes round.
        let expected = [format!("10.7.0.{last}/24"), format!("fd07::{last}/64")];
        whole_life(&network, program, &node.container(program), &expected.each_ref().map(String::as_str));
    }
}

#[test]
fn a_policy_of_ones_own_under_bridge_and_macvlan() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let built = gingham_build::build_policy(&workspace.join("policies/by-namespace")).unwrap();
    std::fs::write("/run/by-namespace.wasm", built.bytes).unwrap();
    ctl(&["policy", "add", "/run/by-namespace.wasm"]).done();
    let ipam = json!({"type": "gingham", "policy": "by-namespace",
        "pools": {"red": "10.8.0.0/24", "blue": "10.9.0.0/24"}});
    let as_pod = |call: Cni, namespace: &str| {
        call.args(&format!("IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME=p"))
    };
    // A bridge is the gateway of one network, and these are several.
    let bridge = |ipam: &Value| with(bridge(ipam), json!({"isGateway": false}));
    let mains = [("bridge", bridge(&ipam)), ("macvlan", with(macvlan(&node, &ipam), json!({"name": "other"})))];
    for (program, network) in mains {
        for (namespace, net) in [("red", "10.8.0."), ("blue", "10.9.0.")] {
            let container = node.container(&format!("{program}-{namespace}"));
            let add = as_pod(reference(Cni::add(&network, &container), program), namespace);
            let got = address(&add.run().result());
            assert!(got.starts_with(net), "{program} {namespace}: {got}");
            as_pod(reference(Cni::del(&network, &container), program), namespace).run().succeeds();
        }
        let stranger = node.container(&format!("{program}-green"));
        let refused = as_pod(reference(Cni::add(&network, &stranger), program), "green").run().fault();
        assert_eq!(refused.code, 102, "{refused:?}");
        assert!(refused.msg.contains("by-namespace") && refused.msg.contains("green"), "{refused:?}");
    }
}

#[test]
fn a_refusal_passes_through_bridge() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    guest("refuses_for_now").install();
    let network = bridge(&json!({"type": "gingham", "policy": "refuses_for_now"}));
    let fault = reference(Cni::add(&network, &node.container("c1")), "bridge").run().fault();
    assert_eq!((fault.code, fault.msg.as_str()), (11, "policy refuses_for_now: come back later (try again in 2.5 s)"));
}

#[test]
fn bridge_fails_after_the_lease_and_gives_it_back() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    let c1 = node.container("c1");
    kernel::add_bridge("ref0", "192.0.2.1/24");
    let fault = reference(Cni::add(&bridge(&subnet("gingham")), &c1), "bridge").run().fault();
    assert!(fault.msg.contains("already has an IP address different"), "{fault:?}");
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

#[test]
fn reference_host_local_as_ipam() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    symlink(format!("{REFERENCE}/host-local"), "/run/plugins/reference-host-local").unwrap();
    let ipam = json!({"type": "reference-host-local", "subnet": "10.7.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]});
    let network = bridged_with(json!({"cniVersion": "1.0.0", "ipMasq": true, "ipam": ipam}));
    let c1 = node.container("c1");
    let result = Cni::add(&network, &c1).run().result();
    assert_eq!(address(&result), "10.7.0.2");
    let lease = std::fs::read_to_string("/var/lib/cni/networks/mynet/10.7.0.2").unwrap();
    assert_eq!(lease, "c1\r\neth0", "it is the reference that handed it out");
    kernel::reaches(&c1, "10.7.0.1".parse().unwrap());
    assert_eq!(kernel::masqueraded("mynet"), ["10.7.0.2"]);
    Cni::check(&network, &c1, &result).run().succeeds();
    assert_eq!(Cni::add(&network, &c1).run().fault().code, 104);
    Cni::del(&network, &c1).run().succeeds();
    assert!(!std::path::Path::new("/var/lib/cni/networks/mynet/10.7.0.2").exists());
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
    let full = with(network, json!({"ipam": {"rangeStart": "10.7.0.9", "rangeEnd": "10.7.0.9"}}));
    Cni::add(&full, &c1).run().result();
    let fault = Cni::add(&full, &node.container("c2")).run().fault();
    assert!(fault.msg.contains("no IP addresses available in range set"), "{fault:?}");
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 "], "the refused container is not recorded");
}

#[test]
fn reference_static_as_ipam() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    let ipam =
        json!({"type": "static", "subnet": null, "addresses": [{"address": "10.7.0.77/24", "gateway": "10.7.0.1"}]});
    let network = bridged_with(json!({"cniVersion": "1.0.0", "ipam": ipam}));
    let c1 = node.container("c1");
    let add = Cni::add(&network, &c1).directory(REFERENCE).run();
    assert_eq!(address(&add.result()), "10.7.0.77");
    kernel::reaches(&c1, "10.7.0.1".parse().unwrap());
    Cni::del(&network, &c1).directory(REFERENCE).run().succeeds();
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

#[test]
fn a_bridge_that_the_reference_made() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    let theirs = bridge(&subnet("gingham"));
    reference(Cni::add(&theirs, &c1), "bridge").run().result();
    let before = kernel::link("ref0").unwrap();
    let ours = with(theirs, json!({"type": "gingham"}));
    Cni::add(&ours, &c2).run().result();
    let after = kernel::link("ref0").unwrap();
    assert_eq!((before.index, before.mac), (after.index, after.mac));
    assert_eq!(kernel::seen_by(&c1, "10.7.0.2".parse().unwrap(), &c2).to_string(), "10.7.0.3");
}

/// A node that changes from the reference `bridge` to Gingham while containers run.
#[test]
fn links_that_the_reference_made_are_taken_over_by_del() {
    if !are_installed() {
        return;
    }
    let node = Node::new();
    let c1 = node.container("c1");
    let theirs = bridge(&subnet("gingham"));
    reference(Cni::add(&theirs, &c1), "bridge").run().result();
    let ours = with(theirs, json!({"type": "gingham"}));
    Cni::del(&ours, &c1).run().succeeds();
    assert_eq!(c1.inside(kernel::links), [""; 0]);
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

/// The same with `macspoofchk` and `ipMasq`: the rules that the reference had `nft` and `iptables` make go, too.
#[test]
fn rules_that_the_reference_made_are_taken_over_by_del() {
    const NFT: &str = "/usr/sbin/nft";
    let wanted = [(NFT, "nftables"), ("/usr/sbin/iptables", "iptables")];
    if !are_installed() || !wanted.iter().all(|(program, package)| skipped_tests::has(program, package)) {
        return;
    }
    let rules = || {
        let output = std::process::Command::new(NFT).args(["list", "ruleset"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let node = Node::new();
    let containers = ["c1", "c2", "c3"].map(|id| node.container(id));
    let theirs = with(bridge(&subnet("gingham")), json!({"macspoofchk": true, "ipMasq": true}));
    for container in &containers {
        reference(Cni::add(&theirs, container), "bridge").run().result();
    }
    let chains = || rules().matches("chain CNI-").count();
    assert_eq!(chains(), 3, "else iptables speaks no nftables here, and this test proves less: {}", rules());
    let ours = with(theirs, json!({"type": "gingham"}));
    let [c1, c2, _] = &containers;
    Cni::del(&ours, c1).run().succeeds();
    Cni::del(&ours, c2).without_netns().run().succeeds();
    let left = rules();
    assert!(!left.contains("c1-eth0") && !left.contains("c2-eth0") && left.contains("c3-eth0"), "{left}");
    assert_eq!((chains(), left.matches("jump CNI-").count()), (1, 1), "{left}");
    assert!(left.contains("10.7.0.4") && !left.contains("10.7.0.2") && !left.contains("10.7.0.3"), "{left}");
}
