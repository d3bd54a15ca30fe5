//! One masquerade for a whole network: it heals, and its size does not depend on the number of containers.

use gingham_net::netlink::{Message, Netfilter, Socket};
use gingham_tests::cni::Cni;
use gingham_tests::kernel::{self, Beyond};
use gingham_tests::networks::{bridged_with, seed, with};
use gingham_tests::node::Node;
use serde_json::json;

/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE`, for all families.
const ALL_RULES: (u16, [u8; 4]) = (10 << 8 | 7, [0; 4]);
const NLM_F_DUMP: u16 = 0x300;

fn rules() -> usize {
    let (message_type, family) = ALL_RULES;
    let message = Message { message_type, flags: NLM_F_DUMP, body: family.to_vec() };
    let mut kernel = Socket::<Netfilter>::open().unwrap();
    kernel.dump("list all rules", &message, |_, _| Some(())).unwrap().len()
}

fn flush() {
    let mut kernel = gingham_net::masquerade::open("mynet").unwrap();
    gingham_net::masquerade::remove(&mut kernel, "mynet").unwrap();
    assert_eq!(rules(), 0);
}

#[test]
fn it_comes_back_with_the_next_add_for_all() {
    let node = Node::new();
    let beyond = Beyond::v4();
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    Cni::add(&seed(), &c1).run().result();
    assert_eq!(kernel::seen_from_beyond(&c1, &beyond), beyond.node);
    flush();
    Cni::add(&seed(), &c2).run().result();
    assert_eq!(kernel::seen_from_beyond(&c1, &beyond), beyond.node);
    assert_eq!(kernel::seen_from_beyond(&c2, &beyond), beyond.node);
}

#[test]
fn its_size_does_not_depend_on_the_number_of_containers() {
    let node = Node::new();
    assert_eq!(rules(), 0);
    let sizes = ["c1", "c2", "c3", "c4"].map(|id| {
        Cni::add(&seed(), &node.container(id)).run().result();
        (rules(), kernel::masqueraded("mynet"))
    });
    assert!(sizes[0].0 > 0);
    assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
}

#[test]
fn both_families() {
    let node = Node::new();
    let (v4, v6) = (Beyond::v4(), Beyond::v6());
    let ranges = json!([[{"subnet": "10.7.0.0/24"}], [{"subnet": "fd00:7::/64"}]]);
    let routes = json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]);
    let network = bridged_with(json!({"ipMasq": true, "ipam": {"subnet": null, "ranges": ranges, "routes": routes}}));
    let c1 = node.container("c1");
    Cni::add(&network, &c1).run().result();
    assert_eq!(kernel::seen_from_beyond(&c1, &v4), v4.node);
    assert_eq!(kernel::seen_from_beyond(&c1, &v6), v6.node);
    assert_eq!(kernel::masqueraded("mynet"), ["10.7.0.0/24", "fd00:7::/64"]);
}

#[test]
fn without_ip_masq_there_is_none() {
    let node = Node::new();
    Cni::add(&with(seed(), json!({"ipMasq": false})), &node.container("c1")).run().result();
    assert_eq!(rules(), 0);
}

#[test]
fn each_network_has_its_own() {
    let node = Node::new();
    let other = with(seed(), json!({"name": "another", "bridge": "cni1", "ipam": {"subnet": "10.245.0.0/16"}}));
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    Cni::add(&seed(), &c1).run().result();
    Cni::add(&other, &c2).run().result();
    Cni::del(&seed(), &c1).run().succeeds();
    assert_eq!(kernel::masqueraded("mynet"), [""; 0]);
    assert_eq!(kernel::masqueraded("another"), ["10.245.0.0/16"]);
}
