use ipnet::IpNet;
use proptest::prelude::*;

use super::plan::aggregate;
use super::*;
use crate::netns::NetNs;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| net(text)).collect()
}

#[test]
fn adjacent_blocks_become_one_prefix_but_never_the_whole_range() {
    let range = nets(&["10.32.0.0/12"]);
    let blocks = nets(&["10.32.1.0/24", "10.32.0.0/24", "10.32.2.0/24", "10.40.0.0/24"]);
    assert_eq!(aggregate(&blocks, &range), nets(&["10.32.0.0/23", "10.32.2.0/24", "10.40.0.0/24"]));
    let all: Vec<IpNet> = range[0].subnets(24).unwrap().collect();
    assert_eq!(aggregate(&all, &range), nets(&["10.32.0.0/13", "10.40.0.0/13"]));
    // The two halves of two ranges stay within them.
    let halves = nets(&["10.32.0.0/13", "10.40.0.0/13"]);
    assert_eq!(aggregate(&all, &halves).len(), 4);
    assert_eq!(aggregate(&nets(&["fd00::/112"]), &nets(&["fd00::/112"])), nets(&["fd00::/113", "fd00::8000/113"]));
}

#[test]
fn names_fit_and_stay() {
    assert_eq!(device_name("mynet"), "ggv-mynet");
    assert_eq!(device_name("exactly-ele"), "ggv-exactly-ele");
    // Fixed values: a device that is called otherwise after an upgrade would be left over.
    assert_eq!(device_name("exactly-twel"), "ggv-f704806bbc5");
    assert_eq!(device_mac("mynet", "node-1").to_string(), "6e:0c:f1:30:b7:81");
    assert_eq!(network_identifier("mynet"), 7_364_702);
    assert_ne!(device_mac("mynet", "node-1"), device_mac("mynet", "node-2"));
    assert_ne!(device_mac("mynetn", "ode"), device_mac("mynet", "node"));
}

#[test]
fn containers_get_what_fits_through() {
    let vxlan = |local: &str| {
        Mode::Vxlan(Vxlan { id: 1, port: DEFAULT_PORT, local: local.parse().unwrap(), mac: device_mac("n", "m") })
    };
    assert_eq!(container_mtu(&Mode::Direct, 1500), 1500);
    assert_eq!(container_mtu(&vxlan("192.0.2.1"), 1500), 1450);
    assert_eq!(container_mtu(&vxlan("2001:db8::1"), 1500), 1430);
}

/// A kernel that never had a route has no table for them.
#[test]
fn a_fresh_namespace_has_no_routes_of_ours() {
    let work = || list(&mut Socket::open().unwrap(), &nets(&["10.32.0.0/12", "fd00::/64"])).unwrap();
    assert_eq!(NetNs::create().unwrap().enter(work).unwrap(), []);
}

proptest! {
    /// Every address of a block is covered, none outside, and nothing twice.
    #[test]
    fn prefixes_cover_the_blocks_and_nothing_else(numbers in proptest::collection::btree_set(0_u32..256, 0..200)) {
        let range = net("10.32.0.0/16");
        let blocks: Vec<IpNet> =
            numbers.iter().map(|number| net(&format!("10.32.{number}.0/24"))).collect();
        let prefixes = aggregate(&blocks, &[range]);
        let size = |net: &IpNet| 1_u64 << (32 - net.prefix_len());
        prop_assert_eq!(prefixes.iter().map(size).sum::<u64>(), blocks.iter().map(size).sum::<u64>());
        for block in &blocks {
            prop_assert_eq!(prefixes.iter().filter(|prefix| prefix.contains(block)).count(), 1);
        }
        prop_assert!(prefixes.iter().all(|prefix| *prefix != range));
        prop_assert!(prefixes.len() <= blocks.len() + 1);
    }
}
