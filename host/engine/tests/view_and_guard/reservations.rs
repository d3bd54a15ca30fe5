//! Reservations: who may take a reserved address, and their bounds.

use std::net::IpAddr;

use gingham_engine::ledger::{LATEST_END, Ledger, LedgerQueries, Reservation};
use gingham_engine::network_view::NetworkView;
use gingham_engine::ranges::RangeSet;
use gingham_engine::runtime::view::{AddressState, LeaseView, ReservationError, ReservationView};

use crate::fixtures::{answer, ip, judged, ledger, pools, range, view};

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
