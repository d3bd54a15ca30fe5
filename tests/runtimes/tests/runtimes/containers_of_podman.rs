//! `podman run`, `restart`, `rm` on a network of Gingham's.

use gingham_tests::ctl::ctl;
use gingham_tests::kernel::{self, Beyond};
use gingham_tests::node::Container;

use crate::{connections, host, podman};

/// The lease of a container, as the store has it.
fn lease(name: &str, address: &str) -> String {
    format!("{} eth0 {address}", podman::id(name))
}

fn inside(container: &Container) -> Vec<String> {
    container.inside(|| kernel::addresses("eth0"))
}

#[test]
fn containers_on_one_network() {
    if !host::has_podman() {
        return;
    }
    let _node = host::host();
    host::configure(&[host::bridge("gingham"), host::portmap()]);
    podman::prepare();
    let names = ["one", "two", "three"];
    for (name, expected) in names.into_iter().zip(["10.7.0.2", "10.7.0.3", "10.7.0.4"]) {
        podman::run(name, &[]).done();
        assert_eq!(podman::address(name), expected);
        assert_eq!(inside(&podman::container(name)), [format!("{expected}/24")]);
        assert!(kernel::leases("mynet").contains(&lease(name, expected)), "{:?}", kernel::leases("mynet"));
    }
    let [one, _, three] = names.map(podman::container);
    assert_eq!(kernel::seen_by(&three, "10.7.0.4".parse().unwrap(), &one).to_string(), "10.7.0.2");
    kernel::reaches(&one, "10.7.0.1".parse().unwrap());

    podman::podman(&["restart", "--time=0", "two"]).done();
    let again = podman::address("two");
    assert_eq!(inside(&podman::container("two")), [format!("{again}/24")]);
    assert_eq!(kernel::seen_by(&podman::container("two"), again.parse().unwrap(), &one).to_string(), "10.7.0.2");
    let mut leases = [lease("one", "10.7.0.2"), lease("two", &again), lease("three", "10.7.0.4")];
    leases.sort();
    assert_eq!(kernel::leases("mynet"), leases);

    podman::podman(&["rm", "--force", "--time=0", "one", "two", "three"]).done();
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

#[test]
fn ports_of_the_node_lead_to_containers() {
    if !host::has_podman() {
        return;
    }
    let _node = host::host();
    let beyond = Beyond::v4();
    host::configure(&[host::bridge("gingham"), host::portmap()]);
    podman::prepare();
    podman::run("web", &["--publish=8080:80"]).done();
    podman::run("other", &[]).done();
    connections::serve(&podman::container("web"), 80);
    let target = (beyond.node, 8080).into();
    assert_eq!(beyond.inside(|| connections::told_by(target)), "web");
    assert_eq!(connections::told_by(target), "web");
    assert_eq!(podman::container("other").inside(|| connections::told_by(target)), "web");
    let address = podman::address("web");
    assert_ne!(host::port_rules(&address), [""; 0]);
    podman::podman(&["rm", "--force", "--time=0", "web", "other"]).done();
    assert_eq!(host::port_rules(&address), [""; 0]);
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

#[test]
fn an_address_asked_for_by_name() {
    if !host::has_podman() {
        return;
    }
    let _node = host::host();
    host::configure(&[host::bridge("gingham"), host::portmap()]);
    podman::prepare();
    podman::run("fixed", &["--ip=10.7.0.77"]).done();
    assert_eq!(podman::address("fixed"), "10.7.0.77");
    assert_eq!(inside(&podman::container("fixed")), ["10.7.0.77/24"]);
    podman::podman(&["restart", "--time=0", "fixed"]).done();
    assert_eq!(inside(&podman::container("fixed")), ["10.7.0.77/24"]);
    let refused = podman::run("second", &["--ip=10.7.0.77"]).failed();
    assert!(refused.contains("10.7.0.77"), "{refused}");
    podman::podman(&["rm", "--force", "--time=0", "fixed", "second"]).done();
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

#[test]
fn a_damaged_store_is_rebuilt_while_containers_run() {
    if !host::has_podman() {
        return;
    }
    let _node = host::host();
    host::configure(&[host::bridge("gingham"), host::portmap()]);
    podman::prepare();
    for name in ["one", "two", "three"] {
        podman::run(name, &[]).done();
    }
    std::fs::write("/var/lib/gingham/leases.mdb", "").unwrap();
    let refused = podman::run("four", &[]).failed();
    assert!(refused.contains("ginghamctl recover"), "{refused}");
    podman::podman(&["rm", "--force", "--time=0", "three", "four"]).done();
    ctl(&["recover", "--yes", "--config-dir", host::NETWORKS]).done();
    let mut leases = [lease("one", "10.7.0.2"), lease("two", "10.7.0.3")];
    leases.sort();
    assert_eq!(kernel::leases("mynet"), leases);
    podman::run("five", &[]).done();
    assert!(!["10.7.0.2", "10.7.0.3"].contains(&podman::address("five").as_str()));
    podman::podman(&["rm", "--force", "--time=0", "one", "two", "five"]).done();
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}
