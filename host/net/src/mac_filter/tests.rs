//! Each test has a network namespace of its own, and the kernel's own nftables in it.

use super::*;
use crate::netns::NetNs;

fn namespace() -> (NetNs, Socket<Netfilter>) {
    let namespace = NetNs::create().unwrap();
    let socket = namespace.enter(|| open("mynet").unwrap()).unwrap();
    (namespace, socket)
}

fn filter(port: &str, last: u8) -> MacFilter<'_> {
    MacFilter { port, sender: Mac::new([0xc2, 0, 0, 0, 0, last]).unwrap(), owner: "c1" }
}

fn comments(socket: &mut Socket<Netfilter>, network: &str) -> Vec<String> {
    let name = table_of(network).unwrap();
    let rules = ruleset::rules(socket, Table::of_bridges(&name), CHAIN).unwrap();
    rules.into_iter().map(|rule| rule.comment.unwrap_or_default()).collect()
}

fn has_table(socket: &mut Socket<Netfilter>, network: &str) -> bool {
    ruleset::table_exists(socket, Table::of_bridges(&table_of(network).unwrap())).unwrap()
}

#[test]
fn a_filter_is_installed_once_and_found() {
    let (_namespace, mut socket) = namespace();
    assert!(!is_installed(&mut socket, "mynet", &filter("veth1", 1)).unwrap());
    for _ in 0..2 {
        ensure(&mut socket, "mynet", &filter("veth1", 1)).unwrap();
        assert!(is_installed(&mut socket, "mynet", &filter("veth1", 1)).unwrap());
        assert_eq!(comments(&mut socket, "mynet"), ["veth1 c1"]);
    }
    assert!(!is_installed(&mut socket, "mynet", &filter("veth1", 2)).unwrap(), "another address");
    assert!(!is_installed(&mut socket, "mynet", &filter("veth2", 1)).unwrap(), "another port");
}

#[test]
fn a_ports_filter_for_another_address_is_replaced() {
    let (_namespace, mut socket) = namespace();
    ensure(&mut socket, "mynet", &filter("veth1", 1)).unwrap();
    ensure(&mut socket, "mynet", &filter("veth11", 3)).unwrap();
    ensure(&mut socket, "mynet", &filter("veth1", 2)).unwrap();
    assert!(is_installed(&mut socket, "mynet", &filter("veth1", 2)).unwrap());
    assert_eq!(comments(&mut socket, "mynet"), ["veth11 c1", "veth1 c1"]);
}

#[test]
fn filters_go_one_by_one_and_the_table_with_the_last() {
    let (_namespace, mut socket) = namespace();
    ensure(&mut socket, "mynet", &filter("veth1", 1)).unwrap();
    ensure(&mut socket, "mynet", &filter("veth2", 2)).unwrap();
    ensure(&mut socket, "other", &filter("veth3", 3)).unwrap();
    remove(&mut socket, "mynet", |port| port == "veth1").unwrap();
    assert_eq!(comments(&mut socket, "mynet"), ["veth2 c1"]);
    remove(&mut socket, "mynet", |port| port == "veth1").unwrap();
    assert_eq!(comments(&mut socket, "mynet"), ["veth2 c1"]);
    remove(&mut socket, "mynet", |port| port == "veth2").unwrap();
    assert!(!has_table(&mut socket, "mynet"));
    remove(&mut socket, "mynet", |_| true).unwrap();
    assert_eq!(comments(&mut socket, "other"), ["veth3 c1"], "the other network's filters stay");
}

#[test]
fn many_filters_are_removed_at_once() {
    let (_namespace, mut socket) = namespace();
    let ports: Vec<String> = (0..250).map(|number| format!("veth{number}")).collect();
    for port in &ports {
        ensure(&mut socket, "mynet", &filter(port, 1)).unwrap();
    }
    remove(&mut socket, "mynet", |port| port != "veth7").unwrap();
    assert_eq!(comments(&mut socket, "mynet"), ["veth7 c1"]);
}

#[test]
fn rules_of_the_administrator_stay_and_keep_the_table() {
    let (_namespace, mut socket) = namespace();
    ensure(&mut socket, "mynet", &filter("veth1", 1)).unwrap();
    let mut transaction = Transaction::of_table(Table::of_bridges("gingham-mynet"), None);
    let own = Rule { comment: "mine alone".to_owned(), ..filter("veth9", 9).rule() };
    transaction.add_rule(CHAIN, &own);
    transaction.commit(&mut socket).unwrap();
    remove(&mut socket, "mynet", |port| port == "veth1").unwrap();
    assert_eq!(comments(&mut socket, "mynet"), ["mine alone"]);
}

#[test]
fn a_table_is_not_removed_under_a_filter_that_was_added_in_between() {
    let (_namespace, mut socket) = namespace();
    ensure(&mut socket, "mynet", &filter("veth1", 1)).unwrap();
    let table = Table::of_bridges("gingham-mynet");
    let generation = ruleset::generation(&mut socket).unwrap();
    let installed = read(&mut socket, table).unwrap().unwrap();
    ensure(&mut socket, "mynet", &filter("veth2", 2)).unwrap();
    let (transaction, _) = removal(table, &installed, |port| port == "veth1", Some(generation)).unwrap();
    assert_eq!(transaction.commit(&mut socket).unwrap_err().step, Step::Generation);
    assert_eq!(comments(&mut socket, "mynet"), ["veth1 c1", "veth2 c1"]);
}

#[test]
fn forty_concurrent_changes_lose_no_filter() {
    let (namespace, mut socket) = namespace();
    let ports: Vec<String> = (0..40).map(|number| format!("veth{number}")).collect();
    namespace
        .enter(|| {
            std::thread::scope(|scope| {
                for port in &ports {
                    scope.spawn(move || {
                        let mut socket = open("mynet").unwrap();
                        ensure(&mut socket, "mynet", &filter(port, 1)).unwrap();
                        if !port.ends_with('7') {
                            remove(&mut socket, "mynet", |one| one == port).unwrap();
                        }
                    });
                }
            });
        })
        .unwrap();
    let mut left = comments(&mut socket, "mynet");
    left.sort();
    assert_eq!(left, ["veth17 c1", "veth27 c1", "veth37 c1", "veth7 c1"]);
}

#[test]
fn a_long_owner_is_truncated_and_the_port_still_found() {
    let (_namespace, mut socket) = namespace();
    let owner = "n".repeat(300);
    ensure(&mut socket, "mynet", &MacFilter { owner: &owner, ..filter("veth1", 1) }).unwrap();
    assert_eq!(comments(&mut socket, "mynet")[0].len(), 128);
    remove(&mut socket, "mynet", |port| port == "veth1").unwrap();
    assert!(!has_table(&mut socket, "mynet"));
}

#[test]
fn the_longest_container_id_has_no_rules_of_the_reference() {
    let (_namespace, mut socket) = namespace();
    remove_reference(&mut socket, "mynet", &"c".repeat(255), "eth0").unwrap();
}

#[test]
fn names_that_cannot_be_are_refused() {
    let (_namespace, mut socket) = namespace();
    for network in ["", "a b", "a/b", &"n".repeat(256)] {
        assert!(matches!(ensure(&mut socket, network, &filter("veth1", 1)), Err(MacFilterError::NetworkName { .. })));
    }
    for port in ["", "a b", "sixteen-letters-"] {
        assert!(matches!(ensure(&mut socket, "mynet", &filter(port, 1)), Err(MacFilterError::PortName { .. })));
    }
}
