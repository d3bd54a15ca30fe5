//! What a policy sees is what the guard agrees with: checked against a plain model of sets.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::net::IpAddr;

use gingham_engine::address::IpRange;
use gingham_engine::attachment::{Answer, Assigned, AttachmentKey, Dns, Pod, Request, Requester, Route};
use gingham_engine::guard::{self, GuardError};
use gingham_engine::ledger::{AttachmentRecord, LATEST_END, Ledger, LedgerQueries, Reservation};
use gingham_engine::memory_ledger::{MemoryLedger, MemoryStore};
use gingham_engine::network_view::{NetworkView, STATE_BYTES};
use gingham_engine::pool::{Edges, Pool, PoolRange, Pools};
use gingham_engine::ranges::RangeSet;
use gingham_engine::runtime::view::{
    AddressState, LeaseView, ReservationError, ReservationView, StateError, StateView,
};
use proptest::prelude::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn range(text: &str) -> IpRange {
    text.parse().unwrap()
}

fn pool(name: &str, prefix: &str, gateway: &str) -> Pool {
    let prefix: ipnet::IpNet = prefix.parse().unwrap();
    let part = PoolRange {
        prefix,
        range: prefix.into(),
        gateway: Some(ip(gateway)),
        edges: Edges::default(),
        draining: false,
    };
    Pool { name: name.into(), ranges: vec![part] }
}

/// A /28 and a small IPv6 pool.
fn pools() -> Pools {
    Pools::new(vec![pool("four", "10.0.0.0/28", "10.0.0.1"), pool("six", "fd00::/125", "fd00::1")]).unwrap()
}

fn key(container: &str) -> AttachmentKey {
    AttachmentKey { container_id: container.into(), interface: "eth0".into() }
}

fn record(addresses: &[IpAddr]) -> AttachmentRecord {
    AttachmentRecord {
        addresses: addresses.to_vec(),
        since: 5,
        boot: "boot".into(),
        netns: String::new(),
        pod: Pod { namespace: Some("team".into()), ..Pod::default() },
        ..AttachmentRecord::default()
    }
}

fn ledger(leased: &[&str], resting: &[&str]) -> MemoryLedger {
    let mut ledger = MemoryStore::new().ledger("net");
    for (number, address) in leased.iter().enumerate() {
        ledger.attach(&key(&format!("holder-{number}")), &record(&[ip(address)])).unwrap();
    }
    for address in resting {
        ledger.attach(&key("gone"), &record(&[ip(address)])).unwrap();
        ledger.detach(&key("gone"), 1_000).unwrap();
    }
    ledger
}

fn view(leased: &[&str], resting: &[&str], excluded: &[&str]) -> NetworkView<MemoryLedger> {
    let excluded = RangeSet::new(excluded.iter().map(|text| range(text)).collect());
    NetworkView::new(ledger(leased, resting), pools(), excluded).unwrap()
}

fn request(requested: &[&str]) -> Request {
    let requested = requested.iter().map(|text| ip(text)).collect();
    Request { requested, ..Request::new(Requester::Container, key("new"), 2_000, 7) }
}

fn answer(addresses: &[&str]) -> Answer {
    let assigned = |text: &&str| Assigned { address: text.parse().unwrap(), gateway: None };
    Answer { addresses: addresses.iter().map(assigned).collect(), ..Answer::default() }
}

fn judged(answer: &Answer, requested: &[&str], view: &mut NetworkView<MemoryLedger>) -> String {
    guard::check(answer, &request(requested), view).map_or_else(|error| error.to_string(), |()| "agreed".into())
}

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
fn a_cooling_address_is_free_to_whoever_had_it_last() {
    let pod = |namespace: &str, name: &str| Pod {
        namespace: Some(namespace.into()),
        name: Some(name.into()),
        uid: Some("another each time".into()),
    };
    let mut ledger = MemoryStore::new().ledger("net");
    let of_pod = AttachmentRecord { pod: pod("shop", "web-0"), ..record(&[ip("10.0.0.2")]) };
    let of_none = AttachmentRecord { pod: Pod::default(), ..record(&[ip("10.0.0.3")]) };
    for (container, record) in [("a", of_pod), ("b", of_none)] {
        ledger.attach(&key(container), &record).unwrap();
        ledger.detach(&key(container), 1_000).unwrap();
    }
    let state = |container: &str, pod: &Pod, address: &str| {
        let view = NetworkView::new(ledger.clone(), pools(), RangeSet::default()).unwrap();
        let mut view = view.requested_by(&key(container), pod);
        assert_eq!(view.next_free(range("10.0.0.2-10.0.0.4"), None).unwrap(), Some(ip("10.0.0.4")), "the order stays");
        view.address_state(ip(address)).unwrap()
    };
    assert_eq!(state("new", &pod("shop", "web-0"), "10.0.0.2"), AddressState::Free);
    assert_eq!(state("a", &pod("shop", "web-1"), "10.0.0.2"), AddressState::Cooling);
    assert_eq!(state("a", &pod("else", "web-0"), "10.0.0.2"), AddressState::Cooling);
    assert_eq!(state("a", &Pod::default(), "10.0.0.2"), AddressState::Cooling, "it had a pod then");
    assert_eq!(state("b", &Pod::default(), "10.0.0.3"), AddressState::Free);
    assert_eq!(state("b", &pod("shop", "web-0"), "10.0.0.3"), AddressState::Cooling);
    assert_eq!(state("new", &Pod::default(), "10.0.0.3"), AddressState::Cooling);
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
fn a_reserved_address_is_for_the_call_that_reserves_it_under_the_same_key() {
    let kept = |address: &str, until| Reservation { address: ip(address), key: "shop/web-0".into(), until };
    let mut ledger = ledger(&[], &["10.0.0.3"]);
    ledger.reserve(&kept("10.0.0.2", 5_000)).unwrap();
    ledger.reserve(&kept("10.0.0.4", 2_000)).unwrap();
    let mut view = NetworkView::new(ledger, pools(), RangeSet::default()).unwrap().at(2_000);
    assert_eq!(
        view.next_free(range("10.0.0.0/28"), None).unwrap(),
        Some(ip("10.0.0.5")),
        "2 is kept, 3 rests, 4 is due"
    );
    assert_eq!(view.address_state(ip("10.0.0.2")).unwrap(), AddressState::Reserved);
    assert_eq!(view.address_state(ip("10.0.0.4")).unwrap(), AddressState::Free, "its time is over");
    assert_eq!(view.used_count(range("10.0.0.0/28")).unwrap(), 0);
    assert_eq!(view.reserve("other", ip("10.0.0.2"), 1).unwrap(), Err(ReservationError::Held));
    assert!(judged(&answer(&["10.0.0.2/28"]), &[], &mut view).contains("is reserved"));

    assert_eq!(view.reserve("shop/web-0", ip("10.0.0.2"), 10_000).unwrap(), Ok(()));
    assert_eq!(judged(&answer(&["10.0.0.2/28"]), &[], &mut view), "agreed");
    let found = view.reservations_of("shop/web-0").unwrap();
    assert_eq!(found, [kept("10.0.0.2", 12_000)]);
    view.start_over().unwrap();
    assert!(judged(&answer(&["10.0.0.2/28"]), &[], &mut view).contains("is reserved"), "the first try is undone");

    view.end_reservations("shop/web-0").unwrap();
    assert_eq!(view.reservation(ip("10.0.0.2")).unwrap(), None);
    assert_eq!(view.reserve("other", ip("10.0.0.2"), 1).unwrap(), Ok(()));
    let ledger = view.into_ledger().unwrap();
    assert_eq!(ledger.reservation(ip("10.0.0.2")).unwrap().unwrap().key, "other");
    assert_eq!(ledger.reservation_count().unwrap(), 1, "the one whose time was over went with its key");
}

#[test]
fn reservations_have_bounds() {
    let mut view = view(&[], &[], &["10.0.0.9"]);
    for key in ["", &"k".repeat(257), "a\0b"] {
        assert_eq!(view.reserve(key, ip("10.0.0.2"), 1).unwrap(), Err(ReservationError::BadKey));
    }
    for address in ["10.0.0.0", "10.0.0.1", "10.0.0.9", "192.0.2.1"] {
        assert_eq!(view.reserve("k", ip(address), 1).unwrap(), Err(ReservationError::NotInPool), "{address}");
    }
    let address = |n: u8| IpAddr::from([10, 0, 0, n]);
    for n in [2, 3, 4, 5, 6, 7, 8, 10] {
        assert_eq!(view.reserve("k", address(n), 1).unwrap(), Ok(()));
        assert_eq!(view.reserve("k", address(n), 1).unwrap(), Ok(()), "again is no more");
    }
    assert_eq!(view.reserve("k", address(11), 1).unwrap(), Err(ReservationError::Full));
    assert_eq!(view.reserve("other", address(11), u64::MAX).unwrap(), Ok(()));
    assert_eq!(view.reservation(address(11)).unwrap().unwrap().until, LATEST_END);
}

#[test]
fn what_a_call_reserves_is_no_longer_free() {
    let within = range("10.0.0.0/28");
    let mut view = view(&["10.0.0.2"], &["10.0.0.3"], &[]);
    view.count_as_free(ip("10.0.0.3"));
    assert_eq!(view.free_count(within).unwrap(), 12);
    for address in ["10.0.0.2", "10.0.0.3", "10.0.0.4"] {
        assert_eq!(view.reserve("k", ip(address), 1).unwrap(), Ok(()));
    }
    assert_eq!(view.free_count(within).unwrap(), 10, "10.0.0.2 was leased before");
    let free = view.free_ranges(within, None, 256).unwrap();
    assert_eq!(free, [range("10.0.0.5-10.0.0.14")]);
    view.end_reservations("k").unwrap();
    assert_eq!(view.free_count(within).unwrap(), 12);
}

#[test]
fn leases_are_listed_by_pages_and_by_namespace() {
    let mut view = view(&["10.0.0.2", "10.0.0.3", "10.0.0.5"], &["10.0.0.4"], &[]);
    let all = range("10.0.0.0/28");
    let addresses = |leases: Vec<gingham_engine::runtime::view::LeaseInfo>| {
        leases.iter().map(|lease| lease.address.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(addresses(view.list(all, None, 2).unwrap()), ["10.0.0.2", "10.0.0.3"]);
    assert_eq!(addresses(view.list(all, Some(ip("10.0.0.3")), 2).unwrap()), ["10.0.0.5"]);
    assert_eq!(addresses(view.of_namespace("team", Some(ip("10.0.0.2")), 9).unwrap()), ["10.0.0.3", "10.0.0.5"]);
    assert_eq!(view.count_of_namespace("team").unwrap(), 3);
    assert_eq!(view.count_of_namespace("tea").unwrap(), 0);
    let former = view.last_holder(ip("10.0.0.4")).unwrap().unwrap();
    assert_eq!((former.holder.key.container_id.as_str(), former.freed_at), ("gone", 1_000));
    assert_eq!(view.last_holder(ip("10.0.0.2")).unwrap(), None);
}

#[test]
fn a_cooling_address_may_count_as_free_until_it_is_leased() {
    let mut view = view(&["10.0.0.2"], &["10.0.0.3"], &["10.0.0.4-10.0.0.14"]);
    assert_eq!(view.next_free(range("10.0.0.0/28"), None).unwrap(), None);
    view.count_as_free(ip("10.0.0.3"));
    view.count_as_free(ip("10.0.0.2"));
    assert_eq!(view.next_free(range("10.0.0.0/28"), None).unwrap(), Some(ip("10.0.0.3")));
    assert_eq!(view.address_state(ip("10.0.0.3")).unwrap(), AddressState::Free);
    assert_eq!(view.address_state(ip("10.0.0.2")).unwrap(), AddressState::Leased);
    assert_eq!(view.free_count(range("10.0.0.0/28")).unwrap(), 1);
}

#[test]
fn notes_wait_on_a_slip_and_keep_their_bound() {
    let mut view = view(&[], &[], &[]);
    assert_eq!(view.set_state("", vec![1]).unwrap(), Err(StateError::BadKey));
    assert_eq!(view.set_state(&"k".repeat(257), vec![1]).unwrap(), Err(StateError::BadKey));
    assert_eq!(view.set_state("k", vec![0; (64 << 10) + 1]).unwrap(), Err(StateError::TooLong));
    let full =
        (0..1_000_000).find(|n| view.set_state(&format!("n{n:03}"), vec![0; 64 << 10]).unwrap().is_err()).unwrap();
    assert_eq!(full, STATE_BYTES / ((64 << 10) + 4), "the bound counts keys and values");
    assert_eq!(view.set_state("n000", vec![1]).unwrap(), Ok(()), "a shorter value fits where a longer one was");
    view.delete_state("n001").unwrap();
    assert_eq!(view.state_keys("n", Some("n000")).unwrap().first().map(String::as_str), Some("n002"));
    view.start_over().unwrap();
    assert_eq!(view.state_keys("", None).unwrap(), Vec::<String>::new());
    view.set_state("kept", b"yes".to_vec()).unwrap().unwrap();
    let ledger = view.into_ledger().unwrap();
    assert_eq!(ledger.state_value("kept").unwrap().as_deref(), Some(b"yes".as_slice()));
}

#[test]
fn a_spent_budget_stops_the_policy_and_not_the_guard() {
    let mut view = view(&[], &[], &[]);
    let spent = (0..1_000_000).find(|_| view.address_state(ip("10.0.0.2")).is_err()).unwrap();
    assert!(spent > 100_000);
    let verdict = guard::check(&answer(&["10.0.0.2/28"]), &request(&[]), &mut view);
    assert!(matches!(verdict, Err(GuardError::Nonsense { .. })), "no answer passes unseen");
}

/// The last byte of an address of the /28.
fn small() -> impl Strategy<Value = u8> {
    0_u8..16
}

proptest! {
    #[test]
    fn next_free_and_counts_agree_with_the_state_of_each_address(
        leased in prop::collection::btree_set(small(), 0..8),
        resting in prop::collection::btree_set(small(), 0..6),
        early in prop::collection::btree_set(small(), 0..4),
        holes in prop::collection::vec((small(), small()), 0..3),
        (low, high) in (small(), small()),
        after in prop::option::of(small()),
        reserved in prop::collection::btree_set(small(), 0..4),
        reserving in prop::collection::btree_set(small(), 0..3),
    ) {
        let at = |last: u8| IpAddr::from([10, 0, 0, last]);
        let span = |a: u8, b: u8| IpRange::new(at(a.min(b)), at(a.max(b))).unwrap();
        let mut ledger = MemoryStore::new().ledger("net");
        for last in &leased {
            ledger.attach(&key(&format!("c{last}")), &record(&[at(*last)])).unwrap();
        }
        for last in resting.difference(&leased) {
            ledger.attach(&key("gone"), &record(&[at(*last)])).unwrap();
            ledger.detach(&key("gone"), 1_000).unwrap();
        }
        let excluded = RangeSet::new(holes.iter().map(|(a, b)| span(*a, *b)).collect());
        for last in &reserved {
            ledger.reserve(&Reservation { address: at(*last), key: "kept".into(), until: 9_000 }).unwrap();
        }
        let mut view = NetworkView::new(ledger, pools(), excluded).unwrap().at(2_000);
        for last in &early {
            view.count_as_free(at(*last));
        }
        let within = span(low, high);
        let states: BTreeMap<IpAddr, AddressState> =
            (0..16).map(|last| (at(last), view.address_state(at(last)).unwrap())).collect();
        let free: Vec<IpAddr> = states
            .iter()
            .filter(|(address, state)| within.contains(**address) && **state == AddressState::Free)
            .map(|(address, _)| *address)
            .collect();
        let expected = free.iter().copied().find(|address| after.is_none_or(|after| *address > at(after)));
        prop_assert_eq!(view.next_free(within, after.map(at)).unwrap(), expected);
        prop_assert_eq!(view.free_count(within).unwrap(), free.len() as u64);
        let runs = view.free_ranges(within, after.map(at), 256).unwrap();
        let in_runs: Vec<IpAddr> = (0..16).map(at).filter(|a| runs.iter().any(|run| run.contains(*a))).collect();
        let above: Vec<IpAddr> = free.iter().copied().filter(|a| after.is_none_or(|after| *a > at(after))).collect();
        prop_assert_eq!(in_runs, above);
        let used = leased.iter().filter(|last| within.contains(at(**last))).count();
        prop_assert_eq!(view.used_count(within).unwrap(), used as u64);
        for (address, state) in states {
            let said = guard::check(&answer(&[&format!("{address}/28")]), &request(&[]), &mut view);
            prop_assert_eq!(said.is_ok(), state == AddressState::Free, "{}", address);
        }
        // What this call reserves is free to it, as far as nothing else is in the way, and found by nobody.
        for last in &reserving {
            let before = view.address_state(at(*last)).unwrap();
            let done = view.reserve("kept", at(*last), 1).unwrap();
            let free = done.is_ok() && matches!(before, AddressState::Free | AddressState::Reserved);
            let state = view.address_state(at(*last)).unwrap();
            let rests = state == AddressState::Cooling && before == AddressState::Reserved;
            prop_assert!(!free || rests || state == AddressState::Free, "{last}: {before:?}, then {state:?}");
            if done.is_ok() {
                prop_assert_eq!(view.next_free(IpRange::single(at(*last)), None).unwrap(), None);
            }
        }
    }
}
