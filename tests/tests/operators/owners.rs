//! Addresses for scripts.

use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::{Said, ctl};
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only_with, bridged};
use serde_json::{Value, json};

use crate::{CONFIG_DIR, node_with};

fn on(verb: &str, network: &str, owner: &str, more: &[&str]) -> Said {
    ctl(&[&[verb, network, "--owner", owner, "--config-dir", CONFIG_DIR], more].concat())
}

#[test]
fn an_owner_has_an_address_like_a_container() {
    let node = node_with(&[bridged()]);
    assert_eq!(on("allocate", "mynet", "web-1", &[]).done(), "10.7.0.2\n");
    assert_eq!(on("allocate", "mynet", "web-1", &[]).done(), "10.7.0.2\n", "a script may be repeated");
    assert_eq!(on("allocate", "mynet", "web-2", &["--address", "10.7.0.99"]).done(), "10.7.0.99\n");
    let other = on("allocate", "mynet", "web-2", &["--address", "10.7.0.98"]).failed();
    assert!(other.contains("\"web-2\" holds 10.7.0.99 and not 10.7.0.98"), "{other}");
    let taken = on("allocate", "mynet", "web-3", &["--address", "10.7.0.99"]).failed();
    assert!(taken.contains("10.7.0.99"), "{taken}");
    let c1 = node.container("c1");
    assert_eq!(address(&Cni::add(&bridged(), &c1).run().result()), "10.7.0.100");
    // No runtime knows of owners, and none may end them.
    Cni::gc(&bridged(), &[]).run().succeeds();
    assert_eq!(kernel::leases("mynet"), ["owner/web-1 eth0 10.7.0.2", "owner/web-2 eth0 10.7.0.99"]);
    assert_eq!(ctl(&["gc"]).done(), "freed 0 of 2 attachments\n");
    assert!(ctl(&["leases"]).done().contains("owner/web-1"));
    assert_eq!(on("release", "mynet", "web-1", &[]).done(), "10.7.0.2\n");
    assert_eq!(on("release", "mynet", "web-1", &[]).done(), "", "nothing is held");
    let json = on("release", "mynet", "web-2", &["--json"]).done();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, json!({"network": "mynet", "owner": "web-2", "addresses": ["10.7.0.99"]}));
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

#[test]
fn owners_take_the_way_of_containers_into_a_network() {
    let small = json!({"ipam": {"subnet": "10.7.0.0/30"}, "type": "macvlan"});
    let _node = node_with(&[addresses_only_with(small)]);
    let file = format!("{CONFIG_DIR}/mynet.conf");
    let not_ours = on("allocate", "mynet", "a", &[]);
    // `host-local` is a link to Gingham here, so under another main plugin the network is Gingham's.
    assert_eq!(not_ours.done(), "10.7.0.2\n");
    let full = on("allocate", &file, "b", &[]).failed();
    assert!(full.contains("network mynet: ") && full.contains("no IP addresses available in range set"), "{full}");
    assert!(on("allocate", "mynet", "a/b", &[]).failed().contains("--owner"));
}

#[test]
fn networks_of_others_are_theirs() {
    let _node =
        node_with(&[json!({"cniVersion": "1.0.0", "name": "mynet", "type": "bridge", "ipam": {"type": "dhcp"}})]);
    assert!(on("allocate", "mynet", "a", &[]).failed().contains("network mynet is not Gingham's"));
}
