//! Pods on the main plugins of the reference, with Gingham as their IPAM plugin.

use gingham_tests::kernel;
use gingham_tests::networks::with;
use serde_json::{Value, json};

use crate::containerd::Containerd;
use crate::cri::{Kubelet, Pod};
use crate::host;

/// Two pods have addresses of Gingham's and reach each other; then nothing is left.
fn whole_life(kubelet: &Kubelet, network: Value) {
    let ipam = json!({"type": "gingham", "policy": "host-local", "subnet": "10.7.0.0/24",
        "cooldown": "0", "routes": [{"dst": "0.0.0.0/0"}]});
    let kind = network["type"].as_str().unwrap().to_owned();
    host::configure(&[with(network, json!({"ipam": ipam}))]);
    kubelet.wait_for_plugin(&kind);
    let ids = ["one", "two"].map(|name| kubelet.run(&Pod::new(&kind, name)).unwrap());
    let [one, two] = [&ids[0], &ids[1]].map(|id| kubelet.running(id));
    for pod in [&one, &two] {
        let lease = format!("{} eth0 {}", pod.container.id, pod.address);
        assert!(kernel::leases("mynet").contains(&lease), "{kind}: {lease}: {:?}", kernel::leases("mynet"));
        let nets = pod.container.inside(|| kernel::addresses("eth0"));
        assert_eq!(nets.len(), 1, "{kind}: {nets:?}");
        assert!(nets[0].starts_with(&format!("{}/", pod.address)), "{kind}: {nets:?}");
    }
    let seen = kernel::seen_by(&two.container, two.address.parse().unwrap(), &one.container);
    assert_eq!(seen.to_string(), one.address, "{kind}");
    kubelet.take_away(&ids);
    assert_eq!(kernel::leases("mynet"), [""; 0], "{kind}");
}

#[test]
fn bridge_ptp_and_macvlan() {
    if !host::has_containerd() {
        return;
    }
    let node = host::host();
    let switch = node.container("switch");
    kernel::add_veth(&switch, "port", "parent0");
    kernel::set_up("parent0");
    switch.inside(|| kernel::set_up("port"));
    host::configure(&[host::bridge("bridge")]);
    let _containerd = Containerd::start();
    let kubelet = Kubelet::new();
    whole_life(&kubelet, json!({"type": "ptp", "ipMasq": false}));
    whole_life(&kubelet, json!({"type": "macvlan", "master": "parent0", "mode": "bridge"}));
    whole_life(&kubelet, json!({"type": "bridge", "bridge": "ref0", "isGateway": true}));
}
