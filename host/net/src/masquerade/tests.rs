//! Each test has a network namespace of its own, and the kernel's own nftables in it.

use netlink_packet_core::NLM_F_CREATE;

use super::*;
use crate::netns::NetNs;
use crate::nftables::attribute::Attributes;
use crate::nftables::rule::InstalledRule;

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

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn of(addresses: &[&str], within: &[&str]) -> Masqueraded {
    Masqueraded {
        addresses: addresses.iter().map(|text| ip(text)).collect(),
        within: within.iter().map(|text| net(text)).collect(),
    }
}

/// As `restore`, with what is wanted known before.
pub(super) fn restore_to(
    socket: &mut Netlink,
    network: &str,
    wanted: &Masqueraded,
) -> Result<Outcome, MasqueradeError> {
    restore(socket, network, |_| Ok(wanted.clone()))
}

fn both() -> Masqueraded {
    of(&["10.244.0.2", "fd00:1::2"], &["10.244.0.0/16", "fd00:1::/64"])
}

/// A table as earlier versions made it.
fn install_earlier(socket: &mut Netlink, prefixes: &[&str]) {
    let mut transaction = Transaction::of_table("gingham-mynet", None);
    transaction.add_table();
    transaction.add_postrouting_chain(CHAIN, "nat");
    for prefix in prefixes {
        transaction.add_rule(CHAIN, &earlier::rule_for(net(prefix)));
    }
    transaction.commit(socket).unwrap();
}

fn network_shown(socket: &mut Netlink, family: Family) -> Vec<String> {
    let elements = network_of(socket, "gingham-mynet", family).unwrap().elements();
    elements.iter().map(|element| element.key.to_string()).collect()
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
fn addresses_come_and_go_and_the_table_with_them() {
    let (_namespace, mut socket) = namespace();
    assert_eq!(list(&mut socket, "mynet"), Ok(vec![]));
    assert_eq!(add(&mut socket, "mynet", &both()), Ok(Outcome::Incomplete));
    assert_eq!(restore_to(&mut socket, "mynet", &both()), Ok(Outcome::Installed));
    assert_eq!(restore_to(&mut socket, "mynet", &both()), Ok(Outcome::Unchanged));
    let more = of(&["10.244.0.3"], &["10.244.0.0/16"]);
    assert_eq!(add(&mut socket, "mynet", &more), Ok(Outcome::Installed));
    assert_eq!(add(&mut socket, "mynet", &more), Ok(Outcome::Installed));
    assert_eq!(list(&mut socket, "mynet"), Ok(vec![ip("10.244.0.2"), ip("10.244.0.3"), ip("fd00:1::2")]));
    assert_eq!(rules(&mut socket).len(), 2);

    assert_eq!(remove(&mut socket, "mynet", &[ip("10.244.0.2"), ip("10.244.0.9")]), Ok(()));
    assert_eq!(remove_unused(&mut socket, "mynet"), Ok(()));
    assert_eq!(list(&mut socket, "mynet"), Ok(vec![ip("10.244.0.3"), ip("fd00:1::2")]));
    assert_eq!(remove(&mut socket, "mynet", &[ip("10.244.0.3"), ip("fd00:1::2")]), Ok(()));
    assert!(ruleset::table_exists(&mut socket, "gingham-mynet").unwrap());
    assert_eq!(remove_unused(&mut socket, "mynet"), Ok(()));
    assert!(!ruleset::table_exists(&mut socket, "gingham-mynet").unwrap());
    assert_eq!(remove(&mut socket, "mynet", &[ip("10.244.0.3")]), Ok(()));
    assert_eq!(remove_unused(&mut socket, "never-seen"), Ok(()));
}

#[test]
fn a_prefix_or_a_family_that_is_new_is_incomplete_and_then_there() {
    let (_namespace, mut socket) = namespace();
    let first = of(&["10.1.0.2"], &["10.1.0.0/16"]);
    restore_to(&mut socket, "mynet", &first).unwrap();
    for more in [of(&["10.3.0.2"], &["10.3.0.0/16"]), of(&["fd00::2"], &["fd00::/64"])] {
        assert_eq!(add(&mut socket, "mynet", &more), Ok(Outcome::Incomplete));
        assert_eq!(restore_to(&mut socket, "mynet", &more), Ok(Outcome::Installed));
        assert_eq!(add(&mut socket, "mynet", &more), Ok(Outcome::Installed));
    }
    assert_eq!(network_shown(&mut socket, Family::V4), ["10.1.0.0", "10.2.0.0", "10.3.0.0", "10.4.0.0"]);
    assert_eq!(list(&mut socket, "mynet").unwrap().len(), 3);
}

#[test]
fn more_addresses_than_one_datagram_holds_are_added() {
    let (_namespace, mut socket) = namespace();
    let v4 = (0..5_000_u32).map(|n| IpAddr::from(Ipv4Addr::from_bits(0x0af4_0000 + n)));
    let v6 = (0..5_000_u128).map(|n| IpAddr::from(Ipv6Addr::from_bits((0xfd << 120) + n)));
    let many = Masqueraded { addresses: v4.chain(v6).collect(), within: vec![net("10.244.0.0/16"), net("fd00::/64")] };
    assert_eq!(restore_to(&mut socket, "mynet", &many), Ok(Outcome::Installed));
    assert_eq!(list(&mut socket, "mynet"), Ok(many.addresses.into_iter().collect::<Vec<_>>()));
}

#[test]
fn thousands_of_prefixes_are_taken() {
    let (_namespace, mut socket) = namespace();
    let within = (0..4096_u16).map(|n| net(&format!("10.{}.{}.0/25", n / 256, n % 256))).collect();
    let many = Masqueraded { addresses: [ip("10.0.0.2")].into(), within };
    assert_eq!(restore_to(&mut socket, "mynet", &many), Ok(Outcome::Installed));
    assert_eq!(add(&mut socket, "mynet", &many), Ok(Outcome::Installed));
    assert_eq!(network_shown(&mut socket, Family::V4).len(), 2 * 4096);
}

#[test]
fn rules_of_earlier_versions_are_passed_on_and_replaced_in_one_step() {
    let (_namespace, mut socket) = namespace();
    install_earlier(&mut socket, &["10.244.0.0/16", "fd00:1::/64"]);
    assert_eq!(earlier_rules(&mut socket, "mynet"), Ok(vec![net("10.244.0.0/16"), net("fd00:1::/64")]));
    assert_eq!(covers(&mut socket, "mynet", ip("10.244.0.77")), Ok(true));
    assert_eq!(add(&mut socket, "mynet", &both()), Ok(Outcome::Incomplete));
    let mut prefixes = Vec::new();
    let outcome = restore(&mut socket, "mynet", |earlier| {
        prefixes.push(earlier.to_vec());
        Ok::<_, MasqueradeError>(both())
    });
    assert_eq!(outcome, Ok(Outcome::Installed));
    assert_eq!(prefixes, [vec![net("10.244.0.0/16"), net("fd00:1::/64")], vec![]]);
    assert_eq!(list(&mut socket, "mynet"), Ok(vec![ip("10.244.0.2"), ip("fd00:1::2")]));
    assert_eq!(covers(&mut socket, "mynet", ip("10.244.0.77")), Ok(false));
    assert_eq!(rules(&mut socket).len(), 2);

    install_earlier(&mut socket, &["10.9.0.0/16"]);
    assert_eq!(restore_to(&mut socket, "mynet", &of(&[], &[])), Ok(Outcome::Installed));
    assert_eq!(rules(&mut socket).len(), 2, "nothing is wanted, and the earlier rule goes all the same");
}

/// Does one kind of damage.
type Damage = (&'static str, fn(&mut Netlink));

const DAMAGES: [Damage; 5] = [
    ("nft flush ruleset", |socket| delete(socket, NFT_MSG_DELTABLE, &Attributes::new())),
    ("nft flush table", |socket| delete(socket, NFT_MSG_DELRULE, &our_table())),
    ("nft flush chain", |socket| delete(socket, NFT_MSG_DELRULE, &our_chain())),
    ("nft delete chain", |socket| {
        delete(socket, NFT_MSG_DELRULE, &our_chain());
        delete(socket, NFT_MSG_DELCHAIN, &chain_itself());
    }),
    ("nft delete rule", |socket| {
        let rule = rules(socket).swap_remove(0);
        let mut transaction = Transaction::of_table("gingham-mynet", None);
        transaction.delete_rule(CHAIN, &rule);
        transaction.commit(socket).unwrap();
    }),
];

#[test]
fn what_was_flushed_or_deleted_is_noticed_and_comes_back() {
    for (name, damage) in DAMAGES {
        let (_namespace, mut socket) = namespace();
        restore_to(&mut socket, "mynet", &both()).unwrap();
        damage(&mut socket);
        assert_ne!(list(&mut socket, "mynet").unwrap().len(), 2, "after {name}");
        assert_eq!(add(&mut socket, "mynet", &both()), Ok(Outcome::Incomplete), "after {name}");
        assert_eq!(restore_to(&mut socket, "mynet", &both()), Ok(Outcome::Installed), "after {name}");
        assert_eq!(list(&mut socket, "mynet").unwrap().len(), 2, "after {name}");
        assert_eq!(rules(&mut socket).len(), 2, "after {name}");
    }
}

#[test]
fn sets_that_were_flushed_come_back() {
    let (_namespace, mut socket) = namespace();
    restore_to(&mut socket, "mynet", &both()).unwrap();
    let mut transaction = Transaction::of_table("gingham-mynet", None);
    transaction.clear_set(containers(Family::V4));
    transaction.clear_set(network_set(Family::V4));
    transaction.commit(&mut socket).unwrap();
    assert_eq!(covers(&mut socket, "mynet", ip("10.244.0.2")), Ok(false));
    assert_eq!(restore_to(&mut socket, "mynet", &both()), Ok(Outcome::Installed));
    assert_eq!(covers(&mut socket, "mynet", ip("10.244.0.2")), Ok(true));
    assert_eq!(network_shown(&mut socket, Family::V4), ["10.244.0.0", "10.245.0.0"]);
}

#[test]
fn a_rule_that_says_one_thing_and_does_another_is_replaced() {
    let (_namespace, mut socket) = namespace();
    let wanted = of(&["10.244.0.2"], &["10.244.0.0/16"]);
    restore_to(&mut socket, "mynet", &wanted).unwrap();
    delete(&mut socket, NFT_MSG_DELRULE, &our_chain());
    let impostor = Rule { comment: COMMENT.to_owned(), ..earlier::rule_for(net("10.9.0.0/16")) };
    let mut transaction = Transaction::of_table("gingham-mynet", None);
    transaction.add_rule(CHAIN, &impostor);
    transaction.commit(&mut socket).unwrap();
    assert_eq!(list(&mut socket, "mynet"), Ok(vec![]));

    assert_eq!(restore_to(&mut socket, "mynet", &wanted), Ok(Outcome::Installed));
    assert_eq!(list(&mut socket, "mynet"), Ok(vec![ip("10.244.0.2")]));
    assert_eq!(rules(&mut socket).len(), 1);
}

#[test]
fn a_repeated_rule_is_removed_and_rules_of_the_administrator_stay() {
    let (_namespace, mut socket) = namespace();
    let wanted = of(&["10.244.0.2"], &["10.244.0.0/16"]);
    restore_to(&mut socket, "mynet", &wanted).unwrap();
    let own = Rule { comment: "mine".to_owned(), ..earlier::rule_for(net("10.9.0.0/16")) };
    let mut transaction = Transaction::of_table("gingham-mynet", None);
    transaction.add_rule(CHAIN, &own);
    transaction.add_rule(CHAIN, &rule_for(Family::V4));
    transaction.commit(&mut socket).unwrap();

    assert_eq!(restore_to(&mut socket, "mynet", &wanted), Ok(Outcome::Installed));
    let comments: Vec<_> = rules(&mut socket).into_iter().map(|rule| rule.comment.unwrap()).collect();
    assert_eq!(comments, [COMMENT, "mine"]);
}

#[test]
fn tables_of_others_stay_as_they_are() {
    let (_namespace, mut socket) = namespace();
    restore_to(&mut socket, "mynet2", &both()).unwrap();
    let before = ruleset::rules(&mut socket, "gingham-mynet2", CHAIN).unwrap();
    assert_eq!(before.len(), 2);
    assert_eq!(list(&mut socket, "mynet"), Ok(vec![]));
    restore_to(&mut socket, "mynet", &both()).unwrap();
    remove(&mut socket, "mynet", &[ip("10.244.0.2"), ip("fd00:1::2")]).unwrap();
    remove_unused(&mut socket, "mynet").unwrap();
    assert!(!ruleset::table_exists(&mut socket, "gingham-mynet").unwrap());
    assert_eq!(ruleset::rules(&mut socket, "gingham-mynet2", CHAIN).unwrap(), before);
    assert_eq!(list(&mut socket, "mynet2").unwrap().len(), 2);
}

#[test]
fn a_transaction_of_a_generation_that_passed_does_nothing() {
    let (_namespace, mut socket) = namespace();
    let passed = ruleset::generation(&mut socket).unwrap();
    restore_to(&mut socket, "other", &both()).unwrap();
    assert_ne!(generation_of(&mut socket), passed.number());
    let present = Snapshot::read(&mut socket, "gingham-mynet").unwrap();
    let step = |only_in| present.step("gingham-mynet", &both(), only_in).unwrap();
    let refusal = step(Some(passed)).commit(&mut socket).unwrap_err();
    assert_eq!(refusal.step, Step::Generation);
    assert_eq!(list(&mut socket, "mynet"), Ok(vec![]));
    let generation = ruleset::generation(&mut socket).unwrap();
    assert_eq!(step(Some(generation)).commit(&mut socket), Ok(()));
    assert_eq!(list(&mut socket, "mynet").unwrap().len(), 2);
}

fn generation_of(socket: &mut Netlink) -> u32 {
    ruleset::generation(socket).unwrap().number()
}

#[test]
fn the_longest_name_works_and_a_longer_one_is_refused() {
    let (_namespace, mut socket) = namespace();
    let longest = "n".repeat(LONGEST_NETWORK_NAME);
    assert_eq!(restore_to(&mut socket, &longest, &both()), Ok(Outcome::Installed));
    assert_eq!(list(&mut socket, &longest).unwrap().len(), 2);
    let longer = longest + "n";
    let error = add(&mut socket, &longer, &both()).unwrap_err();
    assert!(
        error.to_string().ends_with("its name has 256 bytes and the limit is 255; choose a shorter name"),
        "{error}"
    );
}

#[test]
fn a_name_that_is_no_cni_name_is_refused() {
    let (_namespace, mut socket) = namespace();
    for name in ["", "-a", "_a", ".a", "a b", "a\0b", "a/b", "a\"b", "ä"] {
        let error = add(&mut socket, name, &both()).unwrap_err();
        assert_eq!(error, MasqueradeError::InvalidName { network: name.to_owned() });
        assert!(remove(&mut socket, name, &[]).is_err() && list(&mut socket, name).is_err(), "{name:?}");
    }
    for name in ["a", "0", "a_b.c-d", "A"] {
        assert_eq!(restore_to(&mut socket, name, &both()), Ok(Outcome::Installed), "{name:?}");
    }
}

#[test]
fn a_chain_of_another_kind_in_the_place_of_ours_is_reported() {
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
        let text = restore_to(&mut socket, "mynet", &both()).unwrap_err().to_string();
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
