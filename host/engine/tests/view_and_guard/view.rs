//! Leases, cooling addresses and policy state as a policy sees them.

use gingham_engine::attachment::Pod;
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::memory_ledger::MemoryStore;
use gingham_engine::network_view::{NetworkView, STATE_BYTES};
use gingham_engine::ranges::RangeSet;
use gingham_engine::runtime::view::{AddressState, LeaseView, StateError, StateView};

use crate::fixtures::{ip, key, pools, range, record, view};

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
