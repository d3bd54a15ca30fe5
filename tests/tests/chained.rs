//! A chain: Gingham first, then plugins of the reference that build on its result, as a runtime drives them. ADD in
//! order, each with the result of the one before; CHECK in order, each with the last result; DEL in reverse.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use gingham_tests::cni::{Cni, addresses};
use gingham_tests::kernel;
use gingham_tests::networks::with;
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

const REFERENCE: &str = "/usr/lib/cni";

/// Where `portmap` finds `iptables` and not `ip6tables`: where it finds both, CHECK of version 1.1.1 looks for the rules of
/// IPv4 in the tables of IPv6.
const PROGRAMS: &str = "/run/programs";

fn node() -> Node {
    let node = Node::new();
    std::fs::create_dir(PROGRAMS).unwrap();
    std::os::unix::fs::symlink("/usr/sbin/iptables", format!("{PROGRAMS}/iptables")).unwrap();
    node
}

/// A conflist, with the plugins' order kept.
struct Chain {
    version: &'static str,
    plugins: Vec<Value>,
}

impl Chain {
    /// Gingham and one or more plugins after it.
    fn of(version: &'static str, after: impl IntoIterator<Item = Value>) -> Self {
        let first = json!({
            "type": "gingham", "bridge": "cni0", "isGateway": true, "ipMasq": true,
            "ipam": {"type": "host-local", "subnet": "10.7.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]},
        });
        Self { version, plugins: std::iter::once(first).chain(after).collect() }
    }

    /// What a runtime makes of one plugin's part.
    fn network(&self, plugin: &Value, previous: Option<&Value>) -> Value {
        let mut network = with(plugin.clone(), json!({"cniVersion": self.version, "name": "mynet"}));
        if let Some(previous) = previous {
            network["prevResult"] = previous.clone();
        }
        network
    }

    fn call(&self, verb: &'static str, plugin: &Value, previous: Option<&Value>, container: &Container) -> Cni {
        let call = Cni::of(verb, &self.network(plugin, previous));
        let call = call.program(plugin["type"].as_str().unwrap()).directory(REFERENCE);
        let call = if plugin["type"] == "portmap" { call.variable("PATH", PROGRAMS) } else { call };
        call.variable("CNI_CONTAINERID", &container.id).variable("CNI_IFNAME", "eth0").netns(&container.netns)
    }

    fn add(&self, container: &Container) -> Value {
        let mut result = None;
        for plugin in &self.plugins {
            let answer = self.call("ADD", plugin, result.as_ref(), container).run().result();
            assert_eq!(answer["cniVersion"], self.version);
            result = Some(answer);
        }
        result.unwrap()
    }

    fn check(&self, container: &Container, result: &Value) {
        for plugin in &self.plugins {
            self.call("CHECK", plugin, Some(result), container).run().succeeds();
        }
    }

    fn del(&self, container: &Container, result: &Value) {
        for plugin in self.plugins.iter().rev() {
            self.call("DEL", plugin, Some(result), container).run().succeeds();
        }
    }

    /// Everything a runtime does, twice DEL at the end; `attached` looks at what is there in between.
    fn whole_life(&self, node: &Node, attached: impl Fn(&Container, &Value)) {
        let container = node.container(&format!("c-{}", self.version));
        let result = self.add(&container);
        kernel::reaches(&container, "10.7.0.1".parse().unwrap());
        attached(&container, &result);
        if self.version != "0.3.1" {
            self.check(&container, &result);
        }
        self.del(&container, &result);
        self.del(&container, &result);
        assert_eq!(container.inside(kernel::links), [""; 0]);
        assert_eq!(kernel::leases("mynet"), [""; 0]);
        assert_eq!(kernel::masqueraded("mynet"), [""; 0]);
    }
}

fn are_installed() -> bool {
    skipped_tests::has(&format!("{REFERENCE}/portmap"), "containernetworking-plugins")
        && skipped_tests::has("/usr/sbin/iptables", "iptables")
}

/// The versions that both speak and that know chains. The reference's `firewall` knows no 0.3.1.
const VERSIONS: [&str; 3] = ["0.3.1", "0.4.0", "1.0.0"];
const VERSIONS_OF_FIREWALL: [&str; 2] = ["0.4.0", "1.0.0"];

/// What an ADD of Gingham says stays in the result, whatever comes after it.
fn all_is_passed_on(result: &Value) {
    assert_eq!(addresses(result).len(), 1, "{result}");
    assert_eq!(result["interfaces"][0]["name"], "cni0");
    assert_eq!(result["interfaces"][2]["name"], "eth0");
    assert_eq!(result["ips"][0]["interface"], 2);
    assert_eq!(result["routes"], json!([{"dst": "0.0.0.0/0"}]));
}

fn rules(table: &str) -> String {
    let output = Command::new("/usr/sbin/iptables").args(["-w", "-t", table, "-S"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether a datagram to this port of the node arrives in the container, and the answer comes back.
fn reaches_through_the_node(container: &Container, result: &Value, port: u16, inside: u16) {
    let within = addresses(result)[0];
    let server = container.inside(|| UdpSocket::bind((within, inside))).unwrap();
    let patience = Some(Duration::from_secs(5));
    server.set_read_timeout(patience).unwrap();
    let client = UdpSocket::bind("0.0.0.0:0").unwrap();
    client.set_read_timeout(patience).unwrap();
    client.connect(("10.7.0.1", port)).unwrap();
    client.send(b"ping").unwrap();
    let (_, from) = server.recv_from(&mut [0; 16]).expect("the packet arrives in the container");
    server.send_to(b"pong", from).unwrap();
    client.recv(&mut [0; 16]).expect("the answer comes back");
}

#[test]
fn portmap() {
    if !are_installed() {
        return;
    }
    let node = node();
    let mappings = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "udp"}]);
    for version in VERSIONS {
        let plugin = json!({"type": "portmap", "runtimeConfig": {"portMappings": mappings}});
        Chain::of(version, [plugin]).whole_life(&node, |container, result| {
            all_is_passed_on(result);
            reaches_through_the_node(container, result, 8080, 80);
        });
        assert!(!rules("nat").contains("8080"), "{}", rules("nat"));
    }
}

#[test]
fn firewall() {
    if !are_installed() {
        return;
    }
    let node = node();
    for version in VERSIONS_OF_FIREWALL {
        Chain::of(version, [json!({"type": "firewall", "backend": "iptables"})]).whole_life(&node, |_, result| {
            all_is_passed_on(result);
            assert!(rules("filter").contains(&addresses(result)[0].to_string()), "{}", rules("filter"));
        });
        assert!(!rules("filter").contains("10.7.0."), "{}", rules("filter"));
    }
}

/// It changes what ADD made: CHECK must not complain of that, and DEL must find the link all the same.
#[test]
fn tuning() {
    if !are_installed() {
        return;
    }
    let node = node();
    for version in VERSIONS {
        let plugin = json!({"type": "tuning", "sysctl": {"net.ipv4.conf.eth0.log_martians": "1"}, "mtu": 1400,
                            "mac": "02:11:22:33:44:55"});
        Chain::of(version, [plugin]).whole_life(&node, |container, result| {
            all_is_passed_on(result);
            assert_eq!(result["interfaces"][2]["mac"], "02:11:22:33:44:55");
            let link = container.inside(|| kernel::link("eth0")).unwrap();
            assert_eq!((link.mtu, link.mac.unwrap().to_string().as_str()), (1400, "02:11:22:33:44:55"));
        });
    }
}

#[test]
fn bandwidth() {
    if !are_installed() {
        return;
    }
    let node = node();
    for version in VERSIONS {
        let limit = json!({"ingressRate": 8_000_000, "ingressBurst": 8_000_000});
        let plugin = json!({"type": "bandwidth", "runtimeConfig": {"bandwidth": limit}});
        Chain::of(version, [plugin]).whole_life(&node, |_, result| all_is_passed_on(result));
    }
}

#[test]
fn all_of_them() {
    if !are_installed() {
        return;
    }
    let node = node();
    let mappings = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "udp"}]);
    for version in VERSIONS_OF_FIREWALL {
        let plugins = [
            json!({"type": "portmap", "snat": true, "runtimeConfig": {"portMappings": mappings}}),
            json!({"type": "firewall", "backend": "iptables"}),
            json!({"type": "tuning", "sysctl": {"net.ipv4.conf.eth0.log_martians": "1"}}),
        ];
        Chain::of(version, plugins).whole_life(&node, |container, result| {
            all_is_passed_on(result);
            reaches_through_the_node(container, result, 8080, 80);
        });
    }
}
