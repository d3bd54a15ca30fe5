//! Each test has a network namespace of its own, and the kernel's own nftables in it.

use netlink_packet_core::NLM_F_CREATE;

use super::*;
use crate::netns::NetNs;
use crate::nftables::attribute::Attributes;

const NFT_MSG_DELTABLE: u16 = 2;
const NFT_MSG_NEWCHAIN: u16 = 3;
const NFT_MSG_DELCHAIN: u16 = 5;
const NFT_MSG_DELRULE: u16 = 8;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;

pub(super) type Netlink = Socket<Netfilter>;

pub(super) fn namespace() -> (NetNs, Netlink) {
    let namespace = NetNs::create().unwrap();
    let socket = open_in(&namespace);
    (namespace, socket)
}

pub(super) fn open_in(namespace: &NetNs) -> Netlink {
    namespace.enter(|| open("mynet").unwrap()).unwrap()
}

pub(super) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(super) fn nets<const N: usize>(texts: [&str; N]) -> Vec<IpNet> {
    texts.map(net).to_vec()
}

/// What an administrator might delete.
fn delete(socket: &mut Netlink, message_type: u16, attributes: &Attributes) {
    let mut transaction = Transaction::of_table("gingham-mynet", None);
    transaction.push(Step::Transaction, message_type, 0, attributes);
    transaction.commit(socket).unwrap();
}

fn our_table() -> Attributes {
    Attributes::new().text(NFTA_RULE_TABLE, "gingham-mynet")
}

/// As a rule's message says it.
fn our_chain() -> Attributes {
    our_table().text(NFTA_RULE_CHAIN, CHAIN)
}

/// As a chain's message says it.
fn chain_itself() -> Attributes {
    Attributes::new().text(NFTA_CHAIN_TABLE, "gingham-mynet").text(NFTA_CHAIN_NAME, CHAIN)
}

pub(super) fn rules(socket: &mut Netlink) -> Vec<InstalledRule> {
    ruleset::rules(socket, "gingham-mynet", CHAIN).unwrap()
}

#[test]
fn a_network_is_masqueraded_once_and_then_found_so() {
    let (_namespace, mut socket) = namespace();
    let prefixes = nets(["10.244.0.0/16", "fd00:1::/64"]);
    assert_eq!(list(&mut socket, "mynet"), Ok(vec![]));
    assert_eq!(ensure(&mut socket, "mynet", &prefixes), Ok(Outcome::Installed));
    assert_eq!(list(&mut socket, "mynet"), Ok(prefixes.clone()));
    assert_eq!(ensure(&mut socket, "mynet", &prefixes), Ok(Outcome::AlreadyThere));
    assert_eq!(rules(&mut socket).len(), 2);
}

#[test]
fn host_bits_and_repetitions_make_no_rules() {
    let (_namespace, mut socket) = namespace();
    let prefixes = nets(["10.244.0.1/16", "10.244.0.0/16", "10.244.255.255/16"]);
    assert_eq!(ensure(&mut socket, "mynet", &prefixes), Ok(Outcome::Installed));
    assert_eq!(ensure(&mut socket, "mynet", &prefixes), Ok(Outcome::AlreadyThere));
    assert_eq!(list(&mut socket, "mynet"), Ok(nets(["10.244.0.0/16"])));
}

#[test]
fn prefixes_of_several_calls_add_up() {
    let (_namespace, mut socket) = namespace();
    for prefix in ["10.1.0.0/16", "10.2.0.0/16", "fd00::/56"] {
        assert_eq!(ensure(&mut socket, "mynet", &[net(prefix)]), Ok(Outcome::Installed));
    }
    assert_eq!(list(&mut socket, "mynet"), Ok(nets(["10.1.0.0/16", "10.2.0.0/16", "fd00::/56"])));
    assert_eq!(ensure(&mut socket, "mynet", &[net("10.1.0.0/16")]), Ok(Outcome::AlreadyThere));
}

#[test]
fn a_network_without_prefixes_has_no_table() {
    let (_namespace, mut socket) = namespace();
    assert_eq!(ensure(&mut socket, "mynet", &[]), Ok(Outcome::AlreadyThere));
    let mut transaction = Transaction::of_table("gingham-mynet", None);
    transaction.delete_table();
    let refusal = transaction.commit(&mut socket).unwrap_err();
    assert_eq!((refusal.step, refusal.error.kind), (Step::DeleteTable, ErrorKind::NotFound));
}

#[test]
fn every_prefix_length_is_taken_and_recognised() {
    let (_namespace, mut socket) = namespace();
    let v4 = (0..=32).map(|length| IpNet::new([203, 0, 113, 173].into(), length).unwrap().trunc());
    let address: IpAddr = "2001:db8:a5a5:5a5a:a5a5:5a5a:a5a5:5a5b".parse().unwrap();
    let v6 = (0..=128).map(|length| IpNet::new(address, length).unwrap().trunc());
    let prefixes: Vec<IpNet> = v4.chain(v6).collect();
    assert_eq!(ensure(&mut socket, "mynet", &prefixes), Ok(Outcome::Installed));
    assert_eq!(ensure(&mut socket, "mynet", &prefixes), Ok(Outcome::AlreadyThere));
    let mut listed = list(&mut socket, "mynet").unwrap();
    listed.sort_unstable();
    assert_eq!(listed, in_order(&prefixes));
}

#[test]
fn more_prefixes_than_one_datagram_holds_are_taken() {
    let (_namespace, mut socket) = namespace();
    let prefixes: Vec<IpNet> = (0..700_u16).map(|n| net(&format!("10.{}.{}.0/24", n / 256, n % 256))).collect();
    assert_eq!(ensure(&mut socket, "mynet", &prefixes), Ok(Outcome::Installed));
    assert_eq!(ensure(&mut socket, "mynet", &prefixes), Ok(Outcome::AlreadyThere));
    assert_eq!(list(&mut socket, "mynet"), Ok(prefixes));
}

#[test]
fn what_is_removed_is_gone_and_may_be_removed_again() {
    let (_namespace, mut socket) = namespace();
    ensure(&mut socket, "mynet", &nets(["10.244.0.0/16"])).unwrap();
    ensure(&mut socket, "other", &nets(["10.245.0.0/16"])).unwrap();
    assert_eq!(remove(&mut socket, "mynet"), Ok(()));
    assert_eq!(list(&mut socket, "mynet"), Ok(vec![]));
    assert_eq!(list(&mut socket, "other"), Ok(nets(["10.245.0.0/16"])));
    assert_eq!(remove(&mut socket, "mynet"), Ok(()));
    assert_eq!(remove(&mut socket, "never-seen"), Ok(()));
}

/// Does one kind of damage, and says how many of two rules are then left.
type Damage = (&'static str, usize, fn(&mut Netlink));

const DAMAGES: [Damage; 6] = [
    ("nft flush ruleset", 0, |socket| delete(socket, NFT_MSG_DELTABLE, &Attributes::new())),
    ("nft delete table", 0, |socket| remove(socket, "mynet").unwrap()),
    ("nft flush table", 0, |socket| delete(socket, NFT_MSG_DELRULE, &our_table())),
    ("nft flush chain", 0, |socket| delete(socket, NFT_MSG_DELRULE, &our_chain())),
    ("nft delete chain", 0, |socket| {
        delete(socket, NFT_MSG_DELRULE, &our_chain());
        delete(socket, NFT_MSG_DELCHAIN, &chain_itself());
    }),
    ("nft delete rule", 1, |socket| {
        let rule = rules(socket).swap_remove(0);
        let mut transaction = Transaction::of_table("gingham-mynet", None);
        transaction.delete_rule(CHAIN, &rule);
        transaction.commit(socket).unwrap();
    }),
];

#[test]
fn what_was_flushed_or_deleted_comes_back() {
    for (name, left, damage) in DAMAGES {
        let (_namespace, mut socket) = namespace();
        let prefixes = nets(["10.244.0.0/16", "fd00:1::/64"]);
        ensure(&mut socket, "mynet", &prefixes).unwrap();
        damage(&mut socket);
        assert_eq!(list(&mut socket, "mynet").unwrap().len(), left, "after {name}");
        assert_eq!(ensure(&mut socket, "mynet", &prefixes), Ok(Outcome::Installed), "after {name}");
        let mut listed = list(&mut socket, "mynet").unwrap();
        listed.sort_unstable();
        assert_eq!(listed, prefixes, "after {name}");
        assert_eq!(rules(&mut socket).len(), 2, "after {name}");
    }
}

#[test]
fn a_rule_that_says_one_thing_and_does_another_is_replaced() {
    let (_namespace, mut socket) = namespace();
    let prefixes = nets(["10.244.0.0/16"]);
    ensure(&mut socket, "mynet", &prefixes).unwrap();
    delete(&mut socket, NFT_MSG_DELRULE, &our_chain());
    let impostor = Rule { comment: prefixes[0].to_string(), ..rule_for(net("10.9.0.0/16")) };
    let mut transaction = Transaction::of_table("gingham-mynet", None);
    transaction.add_rule(CHAIN, &impostor);
    transaction.commit(&mut socket).unwrap();
    assert_eq!(list(&mut socket, "mynet"), Ok(vec![]));

    assert_eq!(ensure(&mut socket, "mynet", &prefixes), Ok(Outcome::Installed));
    assert_eq!(list(&mut socket, "mynet"), Ok(prefixes));
    assert_eq!(rules(&mut socket).len(), 1);
}

#[test]
fn a_repeated_rule_is_removed_and_rules_of_the_administrator_stay() {
    let (_namespace, mut socket) = namespace();
    let prefixes = nets(["10.244.0.0/16"]);
    ensure(&mut socket, "mynet", &prefixes).unwrap();
    let own = Rule { comment: "mine".to_owned(), ..rule_for(net("10.9.0.0/16")) };
    let mut transaction = Transaction::of_table("gingham-mynet", None);
    transaction.add_rule(CHAIN, &own);
    transaction.add_rule(CHAIN, &rule_for(prefixes[0]));
    transaction.commit(&mut socket).unwrap();

    assert_eq!(ensure(&mut socket, "mynet", &prefixes), Ok(Outcome::Installed));
    let comments: Vec<_> = rules(&mut socket).into_iter().map(|rule| rule.comment.unwrap()).collect();
    assert_eq!(comments, ["10.244.0.0/16", "mine"]);
}

#[test]
fn a_rule_in_another_chain_does_not_count() {
    let (_namespace, mut socket) = namespace();
    let prefixes = nets(["10.244.0.0/16"]);
    let mut transaction = Transaction::of_table("gingham-mynet", None);
    transaction.add_table();
    transaction.add_postrouting_chain("mine", "nat");
    transaction.add_rule("mine", &rule_for(prefixes[0]));
    transaction.commit(&mut socket).unwrap();
    assert_eq!(list(&mut socket, "mynet"), Ok(vec![]));
    assert_eq!(ensure(&mut socket, "mynet", &prefixes), Ok(Outcome::Installed));
    assert_eq!(list(&mut socket, "mynet"), Ok(prefixes));
    assert_eq!(ruleset::rules(&mut socket, "gingham-mynet", "mine").unwrap().len(), 1);
}

#[test]
fn tables_of_others_stay_as_they_are() {
    let (_namespace, mut socket) = namespace();
    let mut transaction = Transaction::of_table("gingham-mynet2", None);
    transaction.add_table();
    transaction.add_postrouting_chain(CHAIN, "nat");
    transaction.add_rule(CHAIN, &rule_for(net("10.244.0.0/16")));
    transaction.commit(&mut socket).unwrap();
    let before = ruleset::rules(&mut socket, "gingham-mynet2", CHAIN).unwrap();
    assert_eq!(before.len(), 1);

    assert_eq!(list(&mut socket, "mynet"), Ok(vec![]));
    assert_eq!(ensure(&mut socket, "mynet", &nets(["10.244.0.0/16"])), Ok(Outcome::Installed));
    assert_eq!(remove(&mut socket, "mynet"), Ok(()));
    assert_eq!(ruleset::rules(&mut socket, "gingham-mynet2", CHAIN).unwrap(), before);
}

#[test]
fn a_transaction_of_a_generation_that_passed_does_nothing() {
    let (_namespace, mut socket) = namespace();
    let generation = ruleset::generation(&mut socket).unwrap();
    ensure(&mut socket, "other", &nets(["10.245.0.0/16"])).unwrap();
    let repair = Repair::of(vec![], &nets(["10.244.0.0/16"]));
    let refusal = repair.transaction("gingham-mynet", Some(generation)).commit(&mut socket).unwrap_err();
    assert_eq!(refusal.step, Step::Generation);
    assert_eq!(list(&mut socket, "mynet"), Ok(vec![]));

    let generation = ruleset::generation(&mut socket).unwrap();
    assert_eq!(repair.transaction("gingham-mynet", Some(generation)).commit(&mut socket), Ok(()));
    assert_eq!(list(&mut socket, "mynet"), Ok(nets(["10.244.0.0/16"])));
}

#[test]
fn the_longest_name_works_and_a_longer_one_is_refused() {
    let (_namespace, mut socket) = namespace();
    let longest = "n".repeat(LONGEST_NETWORK_NAME);
    let prefixes = nets(["10.244.0.0/16"]);
    assert_eq!(ensure(&mut socket, &longest, &prefixes), Ok(Outcome::Installed));
    assert_eq!(list(&mut socket, &longest), Ok(prefixes.clone()));
    assert_eq!(remove(&mut socket, &longest), Ok(()));

    let longer = longest + "n";
    let error = ensure(&mut socket, &longer, &prefixes).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("its name has 248 bytes, and an nftables table has room for 247; choose a shorter name"),
        "{error}"
    );
}

#[test]
fn a_name_that_is_no_cni_name_is_refused() {
    let (_namespace, mut socket) = namespace();
    for name in ["", "-a", "_a", ".a", "a b", "a\0b", "a/b", "a\"b", "ä"] {
        let error = ensure(&mut socket, name, &nets(["10.244.0.0/16"])).unwrap_err();
        assert_eq!(error, MasqueradeError::InvalidName { network: name.to_owned() });
        assert!(remove(&mut socket, name).is_err() && list(&mut socket, name).is_err(), "{name:?}");
    }
    for name in ["a", "0", "a_b.c-d", "A"] {
        assert_eq!(ensure(&mut socket, name, &nets(["10.244.0.0/16"])), Ok(Outcome::Installed), "{name:?}");
    }
}

#[test]
fn a_chain_of_another_kind_in_the_place_of_ours_is_told() {
    let kinds: [fn(&mut Transaction<'_>); 2] = [
        |transaction| transaction.add_postrouting_chain(CHAIN, "filter"),
        |transaction| transaction.push(Step::AddChain, NFT_MSG_NEWCHAIN, NLM_F_CREATE, &chain_itself()),
    ];
    for add_chain in kinds {
        let (_namespace, mut socket) = namespace();
        let mut transaction = Transaction::of_table("gingham-mynet", None);
        transaction.add_table();
        add_chain(&mut transaction);
        transaction.commit(&mut socket).unwrap();
        let text = ensure(&mut socket, "mynet", &nets(["10.244.0.0/16"])).unwrap_err().to_string();
        assert!(
            text.ends_with(
                "a chain of another kind is in its place: make room with `nft delete table inet gingham-NETWORK`"
            ),
            "{text}"
        );
    }
}

/// How a kernel answers that lacks a part: as it does to a part that no kernel has.
#[test]
fn a_missing_part_of_the_kernel_is_named() {
    let (_namespace, mut socket) = namespace();
    let mut transaction = Transaction::of_table("gingham-mynet", None);
    transaction.add_table();
    transaction.add_postrouting_chain(CHAIN, "nat");
    let unknown = Expressions::for_family_of(&net("10.0.0.0/8")).then("gingham", &Attributes::new());
    transaction.add_rule(CHAIN, &Rule { comment: String::new(), expressions: unknown });
    let refusal = transaction.commit(&mut socket).unwrap_err();
    assert_eq!(
        error::explain("masquerade", "mynet", refusal).to_string(),
        "cannot masquerade the network \"mynet\": this kernel lacks masquerade in nftables (No such file or directory); \
         load it with `modprobe nft_masq`, or use a kernel of 5.2 or later with CONFIG_NFT_MASQ"
    );

    let mut transaction = Transaction::of_table("gingham-mynet", None);
    transaction.add_table();
    transaction.add_postrouting_chain(CHAIN, "gingham");
    let refusal = transaction.commit(&mut socket).unwrap_err();
    assert_eq!(
        error::explain("masquerade", "mynet", refusal).to_string(),
        "cannot masquerade the network \"mynet\": this kernel lacks address translation in nftables of family inet (No \
         such file or directory); load it with `modprobe nft_chain_nat`, or use a kernel of 5.2 or later with \
         CONFIG_NFT_NAT"
    );
}
