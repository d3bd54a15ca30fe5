//! A node changes from the reference `bridge` to Gingham while containers run: one word in its configuration.

use std::fs;

use gingham_tests::kernel;
use gingham_tests::node::Container;

use crate::containerd::Containerd;
use crate::cri::{Kubelet, Pod};
use crate::{connections, host, podman};

/// A container, and the address that its runtime shows.
type Member = (Container, String);

fn keeps_its_address((container, address): &Member) {
    assert_eq!(container.inside(|| kernel::addresses("eth0")), [format!("{address}/24")]);
}

fn are_in_touch(one: &Member, other: &Member) {
    for (from, to) in [(one, other), (other, one)] {
        assert_eq!(kernel::seen_by(&to.0, to.1.parse().unwrap(), &from.0).to_string(), from.1);
    }
}

/// Where the reference keeps who has an address.
fn reference_file(address: &str) -> String {
    format!("/var/lib/cni/networks/mynet/{address}")
}

fn was_handed_out_by_the_reference(address: &str) {
    assert!(fs::exists(reference_file(address)).unwrap(), "{address}");
}

/// Old and new: nobody's address has changed, all reach each other.
fn live_together(old: &[Member], new: &Member) {
    for member in old {
        keeps_its_address(member);
        are_in_touch(member, new);
        assert_ne!(member.1, new.1);
    }
    are_in_touch(&old[0], &old[1]);
}

#[test]
fn with_running_containers_of_podman() {
    if !host::has_podman() {
        return;
    }
    let _node = host::host();
    let member = |name: &str| (podman::container(name), podman::address(name));
    host::configure(&[host::bridge("bridge"), host::portmap()]);
    podman::prepare();
    podman::run("old-1", &["--publish=8080:80"]).done();
    podman::run("old-2", &[]).done();
    let old = ["old-1", "old-2"].map(member);
    for (_, address) in &old {
        was_handed_out_by_the_reference(address);
    }
    connections::serve(&old[0].0, 80);

    host::configure(&[host::bridge("gingham"), host::portmap()]);
    podman::run("new", &[]).done();
    live_together(&old, &member("new"));
    assert_eq!(["old-1", "old-2"].map(podman::address), old.clone().map(|(_, address)| address));
    assert_eq!(member("new").0.inside(|| connections::told_by("10.7.0.1:8080".parse().unwrap())), "old-1");
    assert_eq!(kernel::leases("mynet").len(), 3);

    // podman takes a container from its network by the configuration of the day when it joined: the old ones are taken
    // away by the reference, and Gingham learns it.
    podman::podman(&["restart", "--time=0", "old-2"]).done();
    live_together(&[member("old-2"), old[0].clone()], &member("new"));
    podman::podman(&["rm", "--force", "--time=0", "old-1"]).done();
    podman::podman(&["rm", "--force", "--time=0", "old-2", "new"]).done();
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
    assert_eq!(host::port_rules(&old[0].1), [""; 0]);
}

#[test]
fn with_running_pods_of_containerd() {
    if !host::has_containerd() {
        return;
    }
    let _node = host::host();
    host::configure(&[host::bridge("bridge"), host::portmap()]);
    let _containerd = Containerd::start();
    let kubelet = Kubelet::new();
    let member = |id: &String| {
        let running = kubelet.running(id);
        (running.container, running.address)
    };
    let with_port = Pod { ports: vec![(8080, 80)], ..Pod::new("default", "old-1") };
    let mut ids = [with_port, Pod::new("default", "old-2")].map(|pod| kubelet.run(&pod).unwrap()).to_vec();
    let old = [&ids[0], &ids[1]].map(member);
    for (_, address) in &old {
        was_handed_out_by_the_reference(address);
    }
    connections::serve(&old[0].0, 80);

    host::configure(&[host::bridge("gingham"), host::portmap()]);
    kubelet.wait_for_plugin("gingham");
    ids.push(kubelet.run(&Pod::new("default", "new")).unwrap());
    let new = member(&ids[2]);
    live_together(&old, &new);
    assert_eq!([&ids[0], &ids[1]].map(member).map(|(_, address)| address), old.clone().map(|(_, address)| address));
    assert_eq!(new.0.inside(|| connections::told_by("10.7.0.1:8080".parse().unwrap())), ids[0]);
    assert_eq!(kernel::leases("mynet").len(), 3);

    kubelet.take_away(&ids);
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
    assert_eq!(host::port_rules(&old[0].1), [""; 0]);
}
