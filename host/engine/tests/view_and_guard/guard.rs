//! What the guard refuses, and its words.

use gingham_engine::attachment::{Answer, Dns, Route};
use gingham_engine::guard::{self, GuardError};
use gingham_engine::network_view::NetworkView;
use gingham_engine::pool::Pools;
use gingham_engine::ranges::RangeSet;
use gingham_engine::runtime::view::{AddressState, LeaseView};

use crate::fixtures::{answer, ip, judged, ledger, pool, range, request, view};

#[test]
fn the_guard_says_what_was_answered() {
    let mut view = view(&["10.0.0.2"], &["10.0.0.3"], &["10.0.0.4-10.0.0.6"]);
    let cases = [
        ("10.0.0.7/28", "agreed"),
        ("10.0.0.2/28", "it answered 10.0.0.2, which is leased to container holder-0, interface eth0"),
        ("10.0.0.3/28", "it answered 10.0.0.3, which is still cooling after its last use (`ipam.cooldown`)"),
        ("10.0.0.5/28", "it answered 10.0.0.5, which the configuration's `exclude` forbids"),
        ("10.0.0.0/28", "it answered 10.0.0.0, which is a network, broadcast or gateway address"),
        ("10.0.0.15/28", "it answered 10.0.0.15, which is a network, broadcast or gateway address"),
        ("10.0.0.1/28", "it answered 10.0.0.1, which is a network, broadcast or gateway address"),
        ("10.0.1.9/28", "it answered 10.0.1.9, which is in none of this network's pools"),
        ("fd00::/125", "it answered fd00::, which is a network, broadcast or gateway address"),
        ("fd00::7/125", "agreed"),
    ];
    for (address, said) in cases {
        assert_eq!(judged(&answer(&[address]), &[], &mut view), said, "{address}");
    }
}

#[test]
fn the_wrong_family_is_called_by_name() {
    let only_four = Pools::new(vec![pool("four", "10.0.0.0/28", "10.0.0.1")]).unwrap();
    let mut view = NetworkView::new(ledger(&[], &[]), only_four, RangeSet::default()).unwrap();
    let said = judged(&answer(&["fd00::2/64"]), &[], &mut view);
    assert_eq!(said, "it answered fd00::2, an IPv6 address, and all pools of this network are IPv4");
}

#[test]
fn an_answer_is_one_address_of_each_pool_and_all_that_was_asked_for() {
    let mut view = view(&[], &[], &[]);
    assert_eq!(judged(&answer(&["10.0.0.2/28", "fd00::2/125"]), &[], &mut view), "agreed");
    assert_eq!(judged(&answer(&[]), &[], &mut view), "it answered without an address");
    assert_eq!(judged(&answer(&["10.0.0.2/28", "10.0.0.2/28"]), &[], &mut view), "it answered 10.0.0.2 twice");
    assert!(judged(&answer(&["10.0.0.2/28", "10.0.0.3/28"]), &[], &mut view).contains("one address of a pool"));
    let said = judged(&answer(&["10.0.0.2/28"]), &["10.0.0.9"], &mut view);
    assert!(said.starts_with("it ignored the requested address 10.0.0.9"), "{said}");
    assert!(judged(&answer(&["10.0.0.2/0"]), &[], &mut view).contains("length 0"));
    let many = vec!["10.0.0.2/28"; 33];
    assert_eq!(judged(&answer(&many), &[], &mut view), "it answered 33 addresses; 32 is the most");
}

#[test]
fn routes_and_names_that_the_container_would_choke_on_are_refused() {
    let mut view = view(&[], &[], &[]);
    let route = |destination: &str, gateway: &str| Route {
        gateway: Some(ip(gateway)),
        ..Route::to(destination.parse().unwrap())
    };
    let mut with = |routes: Vec<Route>, dns: Option<Dns>| {
        judged(&Answer { routes, dns, ..answer(&["10.0.0.2/28"]) }, &[], &mut view)
    };
    assert_eq!(with(vec![route("0.0.0.0/0", "10.0.0.1")], None), "agreed");
    assert_eq!(
        with(vec![route("10.1.2.3/8", "10.0.0.1")], None),
        "it answered the route 10.1.2.3/8, which has host bits set"
    );
    assert!(with(vec![route("10.0.0.0/8", "fd00::1")], None).contains("of two families"));
    let smuggled = Dns { search: vec!["a\nnameserver 6.6.6.6".into()], ..Dns::default() };
    assert!(with(Vec::new(), Some(smuggled)).contains("name resolution entry"));
}

#[test]
fn a_gateway_is_one_that_a_pool_declares() {
    let mut view = view(&[], &[], &[]);
    let mut with = |gateway: &str| {
        let mut answer = answer(&["10.0.0.2/28"]);
        answer.addresses[0].gateway = Some(ip(gateway));
        judged(&answer, &[], &mut view)
    };
    assert_eq!(with("10.0.0.1"), "agreed");
    assert_eq!(with("10.0.0.9"), "it answered 10.0.0.2/28 with the gateway 10.0.0.9, which none of its pools declares");
}

#[test]
fn a_draining_range_gives_out_nothing_and_keeps_its_leases() {
    let mut drained = pool("four", "10.0.0.0/28", "10.0.0.1");
    drained.ranges[0].draining = true;
    let pools = Pools::new(vec![drained]).unwrap();
    let mut view = NetworkView::new(ledger(&["10.0.0.2"], &["10.0.0.3"]), pools, RangeSet::default()).unwrap();
    assert_eq!(view.next_free(range("10.0.0.0/28"), None).unwrap(), None);
    assert_eq!(view.free_count(range("10.0.0.0/28")).unwrap(), 0);
    assert_eq!(view.address_state(ip("10.0.0.2")).unwrap(), AddressState::Leased);
    assert_eq!(view.address_state(ip("10.0.0.4")).unwrap(), AddressState::Draining);
    let said = judged(&answer(&["10.0.0.4/28"]), &[], &mut view);
    assert_eq!(said, "it answered 10.0.0.4, which is in a range that is drained");
}

#[test]
fn a_spent_budget_stops_the_policy_and_not_the_guard() {
    let mut view = view(&[], &[], &[]);
    let spent = (0..1_000_000).find(|_| view.address_state(ip("10.0.0.2")).is_err()).unwrap();
    assert!(spent > 100_000);
    let verdict = guard::check(&answer(&["10.0.0.2/28"]), &request(&[]), &mut view);
    assert!(matches!(verdict, Err(GuardError::Nonsense { .. })), "no answer passes unseen");
}
