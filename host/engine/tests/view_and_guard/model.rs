//! What a policy sees, checked against a plain model of sets.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gingham_engine::address::IpRange;
use gingham_engine::guard;
use gingham_engine::ledger::{Ledger, Reservation};
use gingham_engine::memory_ledger::{MemoryLedger, MemoryStore};
use gingham_engine::network_view::NetworkView;
use gingham_engine::ranges::RangeSet;
use gingham_engine::runtime::view::{AddressState, LeaseView, ReservationView};
use proptest::prelude::*;

use crate::fixtures::{answer, key, pools, record, request};

/// The last byte of an address of the /28.
fn small() -> impl Strategy<Value = u8> {
    0_u8..16
}

fn at(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn span(a: u8, b: u8) -> IpRange {
    IpRange::new(at(a.min(b)), at(a.max(b))).unwrap()
}

/// As far as nothing else is in the way. No search finds it any more.
fn reserving_frees_it_for_this_call(
    view: &mut NetworkView<MemoryLedger>,
    address: IpAddr,
) -> Result<(), TestCaseError> {
    let before = view.address_state(address).unwrap();
    let done = view.reserve("kept", address, 1).unwrap();
    let free = done.is_ok() && matches!(before, AddressState::Free | AddressState::Reserved);
    let state = view.address_state(address).unwrap();
    let cools = state == AddressState::Cooling && before == AddressState::Reserved;
    prop_assert!(!free || cools || state == AddressState::Free, "{address}: {before:?}, then {state:?}");
    if done.is_ok() {
        prop_assert_eq!(view.next_free(IpRange::single(address), None).unwrap(), None);
    }
    Ok(())
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
            (0..16).map(at).map(|address| (address, view.address_state(address).unwrap())).collect();
        let is_free = |address: &IpAddr| within.contains(*address) && states[address] == AddressState::Free;
        let free: Vec<IpAddr> = states.keys().copied().filter(is_free).collect();
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
        for last in &reserving {
            reserving_frees_it_for_this_call(&mut view, at(*last))?;
        }
    }
}
