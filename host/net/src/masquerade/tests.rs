//! Each test has a network namespace of its own, and the kernel's own nftables in it.

use std::sync::atomic::{AtomicBool, Ordering};

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE};
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, Expressions, NfTablesMessage, RuleAttribute, RuleMessage, TableMessage,
};

use super::*;
use crate::netns::NetNs;

type Netlink = Socket<Netfilter>;

fn namespace() -> (NetNs, Netlink) {
    let namespace = NetNs::create().unwrap();
    let socket = open_in(&namespace);
    (namespace, socket)
}

fn open_in(namespace: &NetNs) -> Netlink {
    namespace.enter(|| open("mynet").unwrap()).unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn nets<const N: usize>(texts: [&str; N]) -> Vec<IpNet> {
    texts.map(net).to_vec()
}

/// What an administrator might do to a table.
fn change(socket: &mut Netlink, table: &str, step: Step, message: NfTablesMessage, flags: u16) -> Result<(), Refusal> {
    let mut transaction = Transaction::of_table(table, None);
    transaction.push(step, message, flags);
    transaction.commit(socket)
}

fn table() -> RuleAttribute {
    RuleAttribute::Table("gingham-mynet".to_owned())
}

fn chain() -> RuleAttribute {
    RuleAttribute::Chain(CHAIN.to_owned())
}

fn rules(socket: &mut Netlink) -> Vec<InstalledRule> {
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
    let prefixes: Vec<IpNet> = (0..2000_u16).map(|n| net(&format!("10.{}.{}.0/24", n / 256, n % 256))).collect();
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
    ("nft flush ruleset", 0, |socket| {
        let all = TableMessage { attributes: Vec::new() };
        change(socket, "", Step::DeleteTable, NfTablesMessage::DeleteTable(all), 0).unwrap();
    }),
    ("nft delete table", 0, |socket| remove(socket, "mynet").unwrap()),
    ("nft flush table", 0, |socket| delete_rules(socket, vec![table()])),
    ("nft flush chain", 0, |socket| delete_rules(socket, vec![table(), chain()])),
    ("nft delete chain", 0, |socket| {
        delete_rules(socket, vec![table(), chain()]);
        let attributes =
            vec![ChainAttribute::Table("gingham-mynet".to_owned()), ChainAttribute::Name(CHAIN.to_owned())];
        let message = NfTablesMessage::DeleteChain(ChainMessage { attributes });
        change(socket, "gingham-mynet", Step::DeleteRule, message, 0).unwrap();
    }),
    ("nft delete rule", 1, |socket| {
        let handle = rules(socket)[0].handle;
        delete_rules(socket, vec![table(), chain(), RuleAttribute::Handle(handle)]);
    }),
];

fn delete_rules(socket: &mut Netlink, attributes: Vec<RuleAttribute>) {
    let message = NfTablesMessage::DeleteRule(RuleMessage { attributes });
    change(socket, "gingham-mynet", Step::DeleteRule, message, 0).unwrap();
}

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
    delete_rules(&mut socket, vec![table(), chain()]);
    let impostor = Rule { comment: prefixes[0].to_string(), ..rule_for(net("10.9.0.0/16")) };
    let attributes = impostor.into_attributes("gingham-mynet", CHAIN);
    let message = NfTablesMessage::NewRule(RuleMessage { attributes });
    change(&mut socket, "gingham-mynet", Step::AddRule, message, NLM_F_CREATE | NLM_F_APPEND).unwrap();
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
    transaction.add_rule(CHAIN, own);
    transaction.add_rule(CHAIN, rule_for(prefixes[0]));
    transaction.commit(&mut socket).unwrap();

    assert_eq!(ensure(&mut socket, "mynet", &prefixes), Ok(Outcome::Installed));
    let comments: Vec<_> = rules(&mut socket).into_iter().map(|rule| rule.comment.unwrap()).collect();
    assert_eq!(comments, ["10.244.0.0/16", "mine"]);
}

#[test]
fn tables_of_others_stay_as_they_are() {
    let (_namespace, mut socket) = namespace();
    let mut transaction = Transaction::of_table("gingham-mynet2", None);
    transaction.add_table();
    transaction.add_source_nat_chain(CHAIN);
    transaction.add_rule(CHAIN, rule_for(net("10.244.0.0/16")));
    transaction.commit(&mut socket).unwrap();
    let before = ruleset::rules(&mut socket, "gingham-mynet2", CHAIN).unwrap();
    assert_eq!(before.len(), 1);

    assert_eq!(list(&mut socket, "mynet"), Ok(vec![]));
    assert_eq!(ensure(&mut socket, "mynet", &nets(["10.244.0.0/16"])), Ok(Outcome::Installed));
    assert_eq!(remove(&mut socket, "mynet"), Ok(()));
    assert_eq!(ruleset::rules(&mut socket, "gingham-mynet2", CHAIN).unwrap(), before);
}

fn ensure_at_once(namespace: &NetNs, count: usize, prefixes: impl Fn(usize) -> Vec<IpNet> + Sync) -> Vec<Outcome> {
    let start = std::sync::Barrier::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|n| {
                let (start, prefixes) = (&start, &prefixes);
                scope.spawn(move || {
                    let mut socket = open_in(namespace);
                    start.wait();
                    ensure(&mut socket, "mynet", &prefixes(n)).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn fifty_at_once_make_one_rule() {
    let (namespace, mut socket) = namespace();
    let outcomes = ensure_at_once(&namespace, 50, |_| nets(["10.244.0.0/16"]));
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Installed).count(), 1);
    assert_eq!(rules(&mut socket).len(), 1);
    assert_eq!(list(&mut socket, "mynet"), Ok(nets(["10.244.0.0/16"])));
}

#[test]
fn fifty_at_once_lose_none_of_fifty_prefixes() {
    let (namespace, mut socket) = namespace();
    let mine = |n: usize| net(&format!("10.{n}.0.0/16"));
    ensure_at_once(&namespace, 50, |n| vec![mine(n), mine((n + 1) % 50)]);
    let mut listed = list(&mut socket, "mynet").unwrap();
    listed.sort_unstable();
    assert_eq!(listed, (0..50).map(mine).collect::<Vec<_>>());
    assert_eq!(rules(&mut socket).len(), 50);
}

#[test]
fn somebody_who_never_stops_changing_rulesets_does_not_keep_us_out() {
    let (namespace, mut socket) = namespace();
    let done = AtomicBool::new(false);
    let changes = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut socket = open_in(&namespace);
            let mut changes = 0;
            while !done.load(Ordering::Relaxed) {
                let mut transaction = Transaction::of_table("busy", None);
                transaction.add_table();
                transaction.delete_table();
                transaction.commit(&mut socket).unwrap();
                changes += 1;
            }
            changes
        });
        for n in 0..50 {
            assert_eq!(ensure(&mut socket, "mynet", &[net(&format!("10.{n}.0.0/16"))]), Ok(Outcome::Installed));
        }
        done.store(true, Ordering::Relaxed);
        other.join().unwrap()
    });
    assert!(changes > 50, "{changes}");
    assert_eq!(list(&mut socket, "mynet").unwrap().len(), 50);
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

/// How a kernel answers that lacks a part: as it does to a part that no kernel has.
#[test]
fn a_missing_part_of_the_kernel_is_named() {
    let (_namespace, mut socket) = namespace();
    let mut transaction = Transaction::of_table("gingham-mynet", None);
    transaction.add_table();
    transaction.add_source_nat_chain(CHAIN);
    let mut unknown = rule_for(net("10.244.0.0/16"));
    let nonsense = Expressions::Other { expression_type: "gingham".to_owned(), attributes: Vec::new() };
    *unknown.expressions.last_mut().unwrap() = nonsense;
    transaction.add_rule(CHAIN, unknown);
    let refusal = transaction.commit(&mut socket).unwrap_err();
    assert_eq!(
        error::explain("masquerade", "mynet", refusal).to_string(),
        "cannot masquerade the network \"mynet\": this kernel lacks masquerade in nftables (No such file or directory); \
         load it with `modprobe nft_masq`, or use a kernel of 5.2 or later with CONFIG_NFT_MASQ"
    );

    let mut transaction = Transaction::of_table("gingham-mynet", None);
    transaction.add_table();
    let attributes = vec![
        ChainAttribute::Table("gingham-mynet".to_owned()),
        ChainAttribute::Name(CHAIN.to_owned()),
        ChainAttribute::Type("gingham".to_owned()),
        ChainAttribute::Hook(vec![]),
    ];
    transaction.push(Step::AddChain, NfTablesMessage::NewChain(ChainMessage { attributes }), NLM_F_CREATE);
    let refusal = transaction.commit(&mut socket).unwrap_err();
    assert_eq!(error::explain("masquerade", "mynet", refusal).to_string(), "");
}
