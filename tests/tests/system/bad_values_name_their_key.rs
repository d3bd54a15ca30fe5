//! Every bad value is an error that names its key, with the CNI code that fits, before anything is done.

use gingham_tests::cni::{Cni, Fault};
use gingham_tests::kernel;
use gingham_tests::networks::{bridged, bridged_with};
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

/// CNI codes.
const VERSION: u64 = 1;
const ENVIRONMENT: u64 = 4;
const DECODING: u64 = 6;
const CONFIG: u64 = 7;
const NETNS: u64 = 8;

fn refused(node: &Node, network: &Value, case: &str) -> Fault {
    let number = case.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let c1 = node.container(&format!("c{number:x}"));
    let fault = Cni::add(network, &c1).run().fault();
    assert!(kernel::link("cni0").is_none(), "{case}: nothing is done for a configuration that is refused");
    assert_eq!(kernel::leases("mynet"), [""; 0], "{case}");
    fault
}

#[test]
fn of_the_main_configuration() {
    let node = Node::new();
    let cases = [
        ("mtu", json!({"mtu": "1500"}), CONFIG),
        ("mtu", json!({"mtu": 17}), CONFIG),
        ("mtu", json!({"mtu": -1}), CONFIG),
        ("isGateway", json!({"isGateway": "true"}), CONFIG),
        ("isDefaultGateway", json!({"isDefaultGateway": 1}), CONFIG),
        ("forceAddress", json!({"forceAddress": "no"}), CONFIG),
        ("ipMasq", json!({"ipMasq": []}), CONFIG),
        ("ipMasqBackend", json!({"ipMasqBackend": "pf"}), CONFIG),
        ("hairpinMode", json!({"hairpinMode": 0}), CONFIG),
        ("hairpinMode", json!({"hairpinMode": true, "promiscMode": true}), CONFIG),
        ("promiscMode", json!({"promiscMode": {}}), CONFIG),
        ("portIsolation", json!({"portIsolation": "true"}), CONFIG),
        ("enabledad", json!({"enabledad": "yes"}), CONFIG),
        ("bridge", json!({"bridge": "a name that is too long"}), CONFIG),
        ("bridge", json!({"bridge": "a/b"}), CONFIG),
        ("bridge", json!({"bridge": 7}), CONFIG),
        ("dns.nameservers", json!({"dns": {"nameservers": "10.0.0.1"}}), CONFIG),
        ("vlan", json!({"vlan": 4095}), CONFIG),
        ("vlan", json!({"vlan": -1}), CONFIG),
        ("vlan", json!({"vlan": "7"}), CONFIG),
        ("vlanTrunk", json!({"vlanTrunk": {"id": 7}}), CONFIG),
        ("vlanTrunk[0].id", json!({"vlanTrunk": [{"id": 4095}]}), CONFIG),
        ("vlanTrunk[1].maxID", json!({"vlanTrunk": [{"id": 7}, {"minID": 7, "maxID": 0}]}), CONFIG),
        ("vlanTrunk[0]", json!({"vlanTrunk": [{"minID": 7}]}), CONFIG),
        ("preserveDefaultVlan", json!({"preserveDefaultVlan": "no"}), CONFIG),
        ("bridge", json!({"bridge": "twelve-bytes", "vlan": 100}), CONFIG),
        ("macspoofchk", json!({"macspoofchk": "yes"}), CONFIG),
        ("disableContainerInterface", json!({"disableContainerInterface": 1}), CONFIG),
        ("disableContainerInterface", json!({"disableContainerInterface": true}), CONFIG),
        ("ipam", json!({"ipam": 7}), CONFIG),
        ("ipam.type", json!({"ipam": {"type": 7}}), CONFIG),
        ("ipam.type", json!({"ipam": {"type": "nobody-knows"}}), CONFIG),
        ("ipam.type", json!({"ipam": {"type": "../gingham"}}), CONFIG),
        ("runtimeConfig.mac", json!({"runtimeConfig": {"mac": "c2:11"}}), CONFIG),
        ("runtimeConfig.mac", json!({"runtimeConfig": {"mac": "01:00:5e:00:00:01"}}), CONFIG),
        ("args.cni.mac", json!({"args": {"cni": {"mac": "none"}}}), CONFIG),
        ("args.cni.ips[0]", json!({"args": {"cni": {"ips": ["10.7.0.999"]}}}), CONFIG),
        ("runtimeConfig.ips", json!({"runtimeConfig": {"ips": "10.7.0.9"}}), CONFIG),
        ("args.cni.labels", json!({"args": {"cni": {"labels": 7}}}), CONFIG),
    ];
    for (key, changes, code) in cases {
        let case = changes.to_string();
        let fault = refused(&node, &bridged_with(changes), &case);
        assert_eq!(fault.code, code, "{case}: {fault:?}");
        assert!(fault.msg.contains(key), "{case}: {fault:?} names {key}");
    }
}

#[test]
fn of_the_hosts_keys_of_ipam() {
    let node = Node::new();
    let cases = [
        ("ipam.policy", json!({"policy": 7})),
        ("ipam.policy", json!({"policy": "host-local@sha256:short"})),
        ("ipam.policy", json!({"policy": "host-local@md5:00"})),
        ("ipam.exclude", json!({"exclude": "10.7.0.5"})),
        ("ipam.exclude[1]", json!({"exclude": ["10.7.0.5", "10.7.0.9-10.7.0.6"]})),
        ("ipam.exclude[0]", json!({"exclude": [5]})),
        ("ipam.cooldown", json!({"cooldown": 120})),
        ("ipam.cooldown", json!({"cooldown": "soon"})),
        ("ipam.cooldown", json!({"cooldown": "-1s"})),
        ("ipam.dataDir", json!({"dataDir": "relative"})),
        ("ipam.dataDir", json!({"dataDir": 7})),
        ("ipam.limits", json!({"limits": 7})),
        ("ipam.limits.feul", json!({"limits": {"feul": 1}})),
        ("ipam.limits.fuel", json!({"limits": {"fuel": 0}})),
        ("ipam.limits.fuel", json!({"limits": {"fuel": u64::MAX}})),
        ("ipam.limits.memory", json!({"limits": {"memory": "lots"}})),
        ("ipam.limits.memory", json!({"limits": {"memory": "4GiB"}})),
        ("ipam.cluster", json!({"cluster": {"store": "local"}})),
        ("ipam.cluster.endpoints", json!({"cluster": {"store": "etcd"}})),
        ("ipam.routing", json!({"routing": "direct"})),
        ("ipam.reach", json!({"reach": "vxlan"})),
        ("ipam.resolvConf", json!({"resolvConf": 7})),
    ];
    for (key, changes) in cases {
        let case = changes.to_string();
        let fault = refused(&node, &bridged_with(json!({"ipam": changes})), &case);
        assert_eq!(fault.code, CONFIG, "{case}: {fault:?}");
        assert!(fault.msg.contains(key), "{case}: {fault:?} names {key}");
    }
}

#[test]
fn of_the_policys_own_keys() {
    let node = Node::new();
    let cases = [
        ("ipam.subnet", json!({"subnet": "10.7.0.0/33"})),
        ("ipam.subnet", json!({"subnet": "10.7.0.1/24"})),
        ("ipam.subnet", json!({"subnet": 7})),
        ("ipam.rangeStart", json!({"rangeStart": "10.8.0.1"})),
        ("ipam.rangeEnd", json!({"rangeEnd": "10.8.0.1"})),
        ("ipam.gateway", json!({"gateway": "nobody"})),
        ("ipam.ranges[0][1].subnet", json!({"ranges": [[{"subnet": "10.8.0.0/24"}, {"subnet": "10.9.0.0"}]]})),
        ("ipam.ranges", json!({"ranges": {"subnet": "10.8.0.0/24"}})),
        ("ipam.ranges[0]", json!({"ranges": [[{"subnet": "10.7.0.0/24"}]]})),
        ("ipam.routes[0].dst", json!({"routes": [{"dst": "everywhere"}]})),
    ];
    for (key, changes) in cases {
        let case = changes.to_string();
        let fault = refused(&node, &bridged_with(json!({"ipam": changes})), &case);
        assert_eq!(fault.code, CONFIG, "{case}: {fault:?}");
        assert!(fault.msg.contains(key) && fault.msg.contains("host-local"), "{case}: {fault:?} names {key}");
    }
}

#[test]
fn of_the_frame_around_it() {
    let node = Node::new();
    let c1 = node.container("c1");
    let faults = [
        ("cniVersion 9.9.9", bridged_with(json!({"cniVersion": "9.9.9"})), VERSION, "incompatible CNI versions"),
        ("no name", bridged_with(json!({"name": null})), CONFIG, "missing network name"),
        ("bad name", bridged_with(json!({"name": "a/b"})), CONFIG, "network name"),
        ("cniVersion 7", bridged_with(json!({"cniVersion": 7})), DECODING, "cniVersion"),
        ("no object", json!([]), DECODING, "network config"),
    ];
    for (case, network, code, text) in faults {
        let fault = Cni::add(&network, &c1).program("gingham").run().fault();
        assert_eq!((fault.code, fault.msg.contains(text)), (code, true), "{case}: {fault:?}");
    }
}

#[test]
fn of_the_environment() {
    let node = Node::new();
    let c1 = node.container("c1");
    let add = || Cni::add(&bridged(), &c1);
    let cases = [
        ("CNI_CONTAINERID", add().variable("CNI_CONTAINERID", "")),
        ("containerID", add().variable("CNI_CONTAINERID", "../c1")),
        ("interface name", add().interface("a-name-of-17-char")),
        ("interface name", add().interface("a/b")),
        ("CNI_NETNS", add().without_netns()),
        ("CNI_COMMAND", add().variable("CNI_COMMAND", "MEND")),
        ("ARGS", add().args("IP")),
        ("IP", add().args("IP=nowhere")),
        ("MAC", add().args("MAC=nothing")),
    ];
    for (text, call) in cases {
        let fault = call.run().fault();
        assert_eq!(fault.code, ENVIRONMENT, "{text}: {fault:?}");
        assert!(fault.msg.contains(text), "{text}: {fault:?}");
    }
    assert_eq!(kernel::links(), [""; 0]);
}

#[test]
fn of_the_namespace() {
    let node = Node::new();
    let c1 = node.container("c1");
    std::fs::write("/run/no-namespace", "").unwrap();
    for path in ["/run/netns/missing", "/run/no-namespace", "/proc/thread-self/ns/uts", "/proc/thread-self/ns/net"] {
        let fault = Cni::add(&bridged(), &c1).netns(path).run().fault();
        assert_eq!(fault.code, NETNS, "{path}: {fault:?}");
        assert_eq!(kernel::leases("mynet"), [""; 0], "{path}");
    }
    let own = Container { id: "c2".to_owned(), netns: "/proc/thread-self/ns/net".into() };
    assert!(Cni::add(&bridged(), &own).run().fault().msg.contains("netns"));
    assert_eq!(kernel::links(), [""; 0], "it is refused before anything is touched");
    // Who insists gets it, and can get rid of it again.
    for insisted in ["1", "True"] {
        let insist = |call: Cni| call.variable("CNI_NETNS_OVERRIDE", insisted).run();
        let result = insist(Cni::add(&bridged(), &own)).result();
        assert_eq!(kernel::addresses("eth0").len(), 1);
        insist(Cni::check(&bridged(), &own, &result)).succeeds();
        insist(Cni::del(&bridged(), &own)).succeeds();
        assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
    }
}
