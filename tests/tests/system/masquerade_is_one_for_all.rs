//! What is masqueraded on a node is what its containers have of a network with `ipMasq`: with one rule for all, healing,
//! and whatever the configuration says by then.

use std::net::Ipv4Addr;
use std::process::Command;

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::store::Store;
use gingham_net::netlink::{Message, Netfilter, Socket};
use gingham_tests::cni::Cni;
use gingham_tests::ctl::ctl;
use gingham_tests::kernel::{self, Beyond};
use gingham_tests::networks::{bridged_with, seed, with};
use gingham_tests::node::{Container, DATA, Node};
use serde_json::{Value, json};

/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE`, for all families.
const ALL_RULES: (u16, [u8; 4]) = (10 << 8 | 7, [0; 4]);
const NLM_F_DUMP: u16 = 0x300;
const NFT: &str = "/usr/sbin/nft";

fn rules() -> usize {
    let (message_type, family) = ALL_RULES;
    let message = Message { message_type, flags: NLM_F_DUMP, body: family.to_vec() };
    let mut kernel = Socket::<Netfilter>::open().unwrap();
    kernel.dump("list all rules", &message, |_, _| Some(())).unwrap().len()
}

fn nft(arguments: &[&str]) -> String {
    let output = Command::new(NFT).args(arguments).output().unwrap();
    assert!(output.status.success(), "nft {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn nft_is_here() -> bool {
    skipped_tests::has(NFT, "nftables")
}

fn without_masquerade() -> Value {
    with(seed(), json!({"ipMasq": false}))
}

#[test]
fn it_comes_back_with_the_next_add_for_all() {
    if !nft_is_here() {
        return;
    }
    let node = Node::new();
    let beyond = Beyond::v4();
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    Cni::add(&seed(), &c1).run().result();
    assert_eq!(kernel::seen_from_beyond(&c1, &beyond), beyond.node);
    nft(&["flush", "ruleset"]);
    Cni::add(&seed(), &c2).run().result();
    assert_eq!(kernel::seen_from_beyond(&c1, &beyond), beyond.node);
    assert_eq!(kernel::seen_from_beyond(&c2, &beyond), beyond.node);
}

#[test]
fn the_number_of_rules_does_not_depend_on_that_of_containers() {
    let node = Node::new();
    assert_eq!(rules(), 0);
    for (count, id) in ["c1", "c2", "c3", "c4"].into_iter().enumerate() {
        Cni::add(&seed(), &node.container(id)).run().result();
        assert_eq!((rules(), kernel::masqueraded("mynet").len()), (1, count + 1));
    }
}

#[test]
fn switched_off_it_ends_with_the_containers_of_the_time_before() {
    let node = Node::new();
    let beyond = Beyond::v4();
    let [c1, c2, c3] = ["c1", "c2", "c3"].map(|id| node.container(id));
    Cni::add(&seed(), &c1).run().result();
    Cni::add(&without_masquerade(), &c2).run().result();
    assert_eq!(kernel::seen_from_beyond(&c1, &beyond), beyond.node, "it runs on as it came");
    assert_eq!(kernel::masqueraded("mynet"), ["10.244.0.2"]);
    Cni::del(&without_masquerade(), &c1).run().succeeds();
    assert_eq!(kernel::masqueraded("mynet"), [""; 0]);
    Cni::del(&without_masquerade(), &c2).run().succeeds();
    Cni::add(&without_masquerade(), &c3).run().result();
    assert_eq!(rules(), 0);
}

#[test]
fn a_dead_containers_ends_with_gc_whatever_the_configuration_says() {
    let node = Node::new();
    let [c1, c2, c3] = ["c1", "c2", "c3"].map(|id| node.container(id));
    for container in [&c1, &c2, &c3] {
        Cni::add(&seed(), container).run().result();
    }
    c1.vanish();
    ctl(&["gc"]).done();
    assert_eq!(kernel::masqueraded("mynet"), ["10.244.0.3", "10.244.0.4"]);
    c2.vanish();
    let by_now = with(without_masquerade(), json!({"cniVersion": "1.1.0"}));
    Cni::gc(&by_now, &[("c3", "eth0")]).run().succeeds();
    assert_eq!(kernel::masqueraded("mynet"), ["10.244.0.4"]);
}

#[test]
fn gc_restores_it_and_leaves_what_another_directory_may_need() {
    let node = Node::new();
    Cni::add(&seed(), &node.container("c1")).run().result();
    if !nft_is_here() {
        return;
    }
    nft(&["add", "element", "inet", "gingham-mynet", "containers4", "{ 10.244.0.99 }"]);
    nft(&["delete", "element", "inet", "gingham-mynet", "containers4", "{ 10.244.0.2 }"]);
    let said = ctl(&["gc"]);
    assert_eq!(said.done(), "freed 0 of 1 attachment\n");
    assert_eq!(kernel::masqueraded("mynet"), ["10.244.0.2", "10.244.0.99"]);
}

/// What an earlier version left: a rule for the prefix, and records that do not say who is masqueraded.
fn make_it_earlier() {
    nft(&["flush", "ruleset"]);
    nft(&["add", "table", "inet", "gingham-mynet"]);
    let chain = "{ type nat hook postrouting priority srcnat; policy accept; }";
    nft(&["add", "chain", "inet", "gingham-mynet", "postrouting", chain]);
    let rule = "ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 ip daddr != 224.0.0.0/4 masquerade";
    let comment = "comment \"10.244.0.0/16\"";
    nft(&["add", "rule", "inet", "gingham-mynet", "postrouting", rule, comment]);
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let mut ledger = Store::open(DATA.as_ref(), boot.trim(), 1).unwrap().into_ledger("mynet").unwrap();
    for (key, record) in ledger.attachments().unwrap() {
        ledger.detach(&key, 1).unwrap();
        ledger.attach(&key, &AttachmentRecord { masquerade: None, ..record }).unwrap();
    }
    ledger.commit().unwrap();
}

type Deed = fn(&Node, &Container);

#[test]
fn an_upgrade_keeps_it_for_the_living_and_leaves_no_earlier_rule() {
    if !nft_is_here() {
        return;
    }
    let deeds: [(&str, Deed, &[&str]); 4] = [
        ("ADD", |node, _| drop(Cni::add(&seed(), &node.container("c3")).run().result()), &["2", "3", "4"]),
        ("ADD off", |node, _| drop(Cni::add(&without_masquerade(), &node.container("c3")).run().result()), &["2", "3"]),
        ("DEL", |_, c2| Cni::del(&without_masquerade(), c2).run().succeeds(), &["2"]),
        ("gc", |_, _| drop(ctl(&["gc"]).done()), &["2", "3"]),
    ];
    for (name, deed, masqueraded) in deeds {
        let node = Node::new();
        let beyond = Beyond::v4();
        let [c1, c2] = ["c1", "c2"].map(|id| node.container(id));
        for container in [&c1, &c2] {
            Cni::add(&seed(), container).run().result();
        }
        make_it_earlier();
        deed(&node, &c2);
        let masqueraded: Vec<_> = masqueraded.iter().map(|last| format!("10.244.0.{last}")).collect();
        assert_eq!(kernel::masqueraded("mynet"), masqueraded, "{name}");
        assert_eq!(rules(), 1, "{name}: {}", nft(&["list", "ruleset"]));
        assert_eq!(kernel::seen_from_beyond(&c1, &beyond), beyond.node, "{name}");
        nft(&["flush", "ruleset"]);
        ctl(&["gc"]).done();
        assert_eq!(kernel::seen_from_beyond(&c1, &beyond), beyond.node, "{name}: it is recorded by now");
    }
}

/// The kernel confirms each address, and a socket's buffer has room for some 270 confirmations.
#[test]
fn it_ends_for_hundreds_of_stale_attachments_in_one_gc() {
    let deeds: [Deed; 2] = [
        |_, _| Cni::gc(&with(seed(), json!({"cniVersion": "1.1.0"})), &[]).run().succeeds(),
        |_, c1| {
            c1.vanish();
            assert!(ctl(&["gc"]).done().starts_with("freed 401 of 401 attachments"));
        },
    ];
    for deed in deeds {
        let node = Node::new();
        let c1 = node.container("c1");
        Cni::add(&seed(), &c1).run().result();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let mut ledger = Store::open(DATA.as_ref(), boot.trim(), 1).unwrap().into_ledger("mynet").unwrap();
        let (key, record) = ledger.attachments().unwrap().remove(0);
        for number in 0..400_u16 {
            let [high, low] = number.to_be_bytes();
            let key = AttachmentKey { container_id: format!("c1-{number}"), ..key.clone() };
            let addresses = vec![Ipv4Addr::new(10, 244, 1 + high, low).into()];
            ledger.attach(&key, &AttachmentRecord { addresses, ..record.clone() }).unwrap();
        }
        ledger.commit().unwrap();
        ctl(&["gc"]).done();
        assert_eq!(kernel::masqueraded("mynet").len(), 401);
        deed(&node, &c1);
        assert_eq!(kernel::masqueraded("mynet"), [""; 0]);
        assert_eq!(kernel::leases("mynet"), [""; 0]);
    }
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
    assert_eq!(kernel::masqueraded("mynet"), ["10.7.0.2", "fd00:7::2"]);
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
    assert_eq!(kernel::masqueraded("another"), ["10.245.0.2"]);
}
