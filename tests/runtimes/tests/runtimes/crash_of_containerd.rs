//! containerd dies by SIGKILL and is started again while pods come and go.

use std::collections::BTreeSet;
use std::fs;

use gingham_net::netns::NetNs;
use gingham_tests::cni::Cni;
use gingham_tests::kernel;
use gingham_tests::networks::with;
use serde_json::json;

use crate::containerd::Containerd;
use crate::cri::{Kubelet, Pod};
use crate::host;
use crate::program::until;

/// The leases: sandbox and address.
fn leases() -> Vec<(String, String)> {
    let pair = |lease: String| {
        let words: Vec<&str> = lease.split(' ').collect();
        assert_eq!(words.len(), 3, "{lease}");
        (words[0].to_owned(), words[2].to_owned())
    };
    kernel::leases("mynet").into_iter().map(pair).collect()
}

fn pods(name: &str, count: usize) -> Vec<Pod> {
    (0..count).map(|number| Pod::new("default", &format!("{name}-{number}"))).collect()
}

/// The addresses in all namespaces that containerd ever made and that are still there, known to it or not.
fn addresses_in_use() -> Vec<String> {
    // Where containerd was cut off in the middle there are files that name no namespace.
    let names = fs::read_dir("/run/netns").unwrap().map(|entry| entry.unwrap().path());
    let namespaces = names.filter_map(|name| NetNs::open(name).ok());
    let inside = || if kernel::link("eth0").is_some() { kernel::addresses("eth0") } else { Vec::new() };
    let nets = namespaces.flat_map(|namespace| namespace.enter(inside).unwrap());
    nets.map(|net| net.strip_suffix("/24").unwrap().to_owned()).collect()
}

/// No lease is lost: whatever address is in use is leased, and each pod that runs has its own. None is doubled.
fn every_pod_has_its_address(kubelet: &Kubelet) {
    let leases = leases();
    let held: BTreeSet<&String> = leases.iter().map(|(_, address)| address).collect();
    assert_eq!(held.len(), leases.len(), "an address is leased twice: {leases:?}");
    let in_use = addresses_in_use();
    assert!(in_use.iter().all(|address| held.contains(address)), "{in_use:?} are in use, but leased are {held:?}");
    assert_eq!(in_use.iter().collect::<BTreeSet<_>>().len(), in_use.len(), "an address is used twice: {in_use:?}");
    for id in kubelet.sandboxes(true) {
        let running = kubelet.running(&id);
        assert!(leases.contains(&(id.clone(), running.address.clone())), "{id} {}: {leases:?}", running.address);
        assert_eq!(running.container.inside(|| kernel::addresses("eth0")), [format!("{}/24", running.address)]);
    }
}

/// The processes of plugins, on whatever node of this run.
fn plugins_under_way() -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("comm"));
    let names = processes.filter_map(|comm| fs::read_to_string(comm).ok());
    names.filter(|name| ["gingham\n", "portmap\n"].contains(&name.as_str())).collect()
}

/// Pods come and go, and containerd is killed as soon as some of the newcomers have their lease and some of the leaving
/// have lost it. Returns the sandboxes that containerd had promised to the kubelet.
fn kill_in_the_middle(containerd: &mut Containerd, leaving: &[String]) -> Vec<String> {
    let known: BTreeSet<String> = leases().into_iter().map(|(id, _)| id).collect();
    std::thread::scope(|scope| {
        let coming = scope.spawn(|| Kubelet::new().run_at_once(&pods("coming", 20)));
        let going = scope.spawn(|| Kubelet::new().stop_at_once(leaving));
        until("some came and some went", || {
            let now = leases();
            let come = now.iter().filter(|(id, _)| !known.contains(id)).count();
            let gone = known.len() + come - now.len();
            (come >= 3 && gone >= 3).then_some(())
        });
        containerd.restart_after_kill();
        // Plugins that containerd had called go on without it.
        until("no plugin is under way", || plugins_under_way().is_empty().then_some(()));
        going.join().unwrap().into_iter().for_each(drop);
        coming.join().unwrap().into_iter().filter_map(Result::ok).collect()
    })
}

#[test]
fn pods_keep_their_addresses_when_containerd_is_killed() {
    if !host::has_containerd() {
        return;
    }
    let _node = host::host();
    let network = host::bridge("gingham");
    host::configure(&[network.clone(), host::portmap()]);
    let mut containerd = Containerd::start();
    let ids = Kubelet::new().run_at_once(&pods("pod", 30)).into_iter().map(Result::unwrap).collect::<Vec<String>>();
    let (steady, leaving) = ids.split_at(15);
    let steady_leases = || leases().into_iter().filter(|(id, _)| steady.contains(id)).collect::<Vec<_>>();
    let before = steady_leases();
    let promised = kill_in_the_middle(&mut containerd, leaving);

    let kubelet = Kubelet::new();
    assert_eq!(steady_leases(), before, "who had nothing to do with it keeps its lease");
    every_pod_has_its_address(&kubelet);
    let ready = kubelet.sandboxes(true);
    assert!(steady.iter().chain(&promised).all(|id| ready.contains(id)), "{ready:?}");
    // Life goes on, and nobody gets an address of those that were cut off.
    let after = kubelet.run_at_once(&pods("after", 10)).into_iter().map(Result::unwrap).collect::<Vec<String>>();
    every_pod_has_its_address(&kubelet);

    // A sandbox that containerd was killed over before it had written it down is taken away by no runtime. GC would do
    // that, and spares the others.
    let known = [kubelet.sandboxes(true), kubelet.sandboxes(false)].concat();
    assert!(after.iter().chain(steady).all(|id| known.contains(id)));
    let valid: Vec<(&str, &str)> = known.iter().map(|id| (id.as_str(), "eth0")).collect();
    Cni::gc(&with(network, json!({"cniVersion": "1.1.0", "name": "mynet"})), &valid).run().succeeds();
    every_pod_has_its_address(&kubelet);
    assert!(leases().iter().all(|(id, _)| known.contains(id)));
    kubelet.take_away(&known);
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}
