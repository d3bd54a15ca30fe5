//! containerd's CRI service, spoken to as a kubelet speaks.

use std::collections::BTreeSet;
use std::path::Path;

use gingham_tests::ctl::ctl;
use gingham_tests::guests::guest;
use gingham_tests::kernel::{self, Beyond};
use gingham_tests::networks::with;
use serde_json::json;

use crate::containerd::Containerd;
use crate::cri::{Kubelet, Pod};
use crate::{connections, host};

/// The address of the one lease of a sandbox.
fn leased(sandbox: &str) -> String {
    let leases = kernel::leases("mynet");
    let own: Vec<&String> = leases.iter().filter(|lease| lease.starts_with(sandbox)).collect();
    assert_eq!(own.len(), 1, "{sandbox}: {leases:?}");
    own[0].rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn the_policy_learns_whose_pod_it_is() {
    if !host::has_containerd() {
        return;
    }
    let _node = host::host();
    guest("repeats_the_request").install();
    let network = json!({
        "ipam": {"type": "gingham", "policy": "repeats_the_request"},
        "capabilities": {"io.kubernetes.cri.pod-annotations": true},
    });
    host::configure(&[with(host::bridge("gingham"), network)]);
    let _containerd = Containerd::start();
    let mut pod = Pod::new("team-a", "web-0");
    pod.annotations = [("example.org/zone", "blue"), ("plain", "a=b;c")].map(|(k, v)| (k.into(), v.into())).into();
    let refused = Kubelet::new().run(&pod).unwrap_err();
    let told = "pod team-a/web-0/uid-of-web-0 annotated example.org/zone=blue,plain=a=b;c";
    assert!(refused.message().contains(told), "{refused:?}");
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

#[test]
fn a_policy_of_ones_own_decides_by_the_pods_namespace() {
    if !host::has_containerd() {
        return;
    }
    let _node = host::host();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let built = gingham_build::build_policy(&workspace.join("policies/by-namespace")).unwrap();
    std::fs::write("/run/tmp/by-namespace.wasm", built.bytes).unwrap();
    ctl(&["policy", "add", "/run/tmp/by-namespace.wasm"]).done();
    let pools = json!({"team-a": "10.8.0.0/24", "team-b": "10.9.0.0/24"});
    // A bridge is the gateway of one IPv4 network, and these are two.
    let ipam = json!({"type": "by-namespace", "pools": pools, "ranges": null, "routes": null});
    let network = json!({"isGateway": false, "ipMasq": false, "ipam": ipam});
    host::configure(&[with(host::bridge("gingham"), network)]);
    let _containerd = Containerd::start();
    let kubelet = Kubelet::new();
    let mut sandboxes = Vec::new();
    for (namespace, expected) in [("team-a", "10.8.0.2"), ("team-b", "10.9.0.2"), ("team-a", "10.8.0.3")] {
        let id = kubelet.run(&Pod::new(namespace, &format!("of-{expected}"))).unwrap();
        assert_eq!((kubelet.running(&id).address, leased(&id)), (expected.to_owned(), expected.to_owned()));
        sandboxes.push(id);
    }
    let refused = kubelet.run(&Pod::new("team-c", "stranger")).unwrap_err();
    assert!(refused.message().contains("namespace team-c has no pool here"), "{refused:?}");
    kubelet.take_away(&sandboxes);
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

#[test]
fn ports_of_the_node_lead_to_pods() {
    if !host::has_containerd() {
        return;
    }
    let _node = host::host();
    let beyond = Beyond::v4();
    host::configure(&[host::bridge("gingham"), host::portmap()]);
    let _containerd = Containerd::start();
    let kubelet = Kubelet::new();
    let pod = |name: &str, port: u16| Pod { ports: vec![(port, 80)], ..Pod::new("default", name) };
    let ids = [("one", 8081), ("two", 8082)].map(|(name, port)| kubelet.run(&pod(name, port)).unwrap());
    for id in &ids {
        connections::serve(&kubelet.running(id).container, 80);
    }
    for (id, port) in ids.iter().zip([8081, 8082]) {
        let target = (beyond.node, port).into();
        assert_eq!(&beyond.inside(|| connections::told_by(target)), id, "from beyond the node");
        assert_eq!(&connections::told_by(target), id, "from the node");
    }
    let two = kubelet.running(&ids[1]).container;
    assert_eq!(two.inside(|| connections::told_by((beyond.node, 8081).into())), ids[0], "from the other pod");
    let address = kubelet.running(&ids[0]).address;
    assert_ne!(host::port_rules(&address), [""; 0]);
    kubelet.take_away(&ids);
    assert_eq!(host::port_rules(&address), [""; 0]);
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

#[test]
fn fifty_sandboxes_at_once() {
    if !host::has_containerd() {
        return;
    }
    let _node = host::host();
    host::configure(&[host::bridge("gingham"), host::portmap()]);
    let _containerd = Containerd::start();
    let kubelet = Kubelet::new();
    let pods: Vec<Pod> = (0..50).map(|number| Pod::new("default", &format!("pod-{number}"))).collect();
    let ids: Vec<String> = kubelet.run_at_once(&pods).into_iter().map(Result::unwrap).collect();
    let mut seen = BTreeSet::new();
    for id in &ids {
        let running = kubelet.running(id);
        assert_eq!(running.container.inside(|| kernel::addresses("eth0")), [format!("{}/24", running.address)]);
        assert_eq!(leased(id), running.address);
        assert!(seen.insert(running.address.clone()), "{} twice", running.address);
        kernel::reaches(&running.container, "10.7.0.1".parse().unwrap());
    }
    let [first, last] = [&ids[0], &ids[49]].map(|id| kubelet.running(id));
    let from = kernel::seen_by(&last.container, last.address.parse().unwrap(), &first.container);
    assert_eq!(from.to_string(), first.address);
    kubelet.take_away(&ids);
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}
