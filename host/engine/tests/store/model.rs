//! The durable ledger, the one in memory and a naive model answer alike, whatever is done to them; a commit keeps what
//! was done and a drop undoes it, across reopening.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use gingham_engine::address::{Family, IpRange, number, successor};
use gingham_engine::attachment::{AttachmentKey, FormerHolder, Pod};
use gingham_engine::ledger::{AttachmentRecord, Cooling, Ledger, LedgerQueries, Reservation};
use gingham_engine::memory_ledger::MemoryStore;
use gingham_engine::store::Store;
use proptest::prelude::*;

use crate::fixtures::{BOOT, NOW, Tmpfs, check_invariants, container, ip, record};

/// Few addresses, so that runs meet: both ends of both families, and a stretch in the middle.
fn addresses() -> Vec<IpAddr> {
    let stretch = |first: &str, count: u128| {
        let first = ip(first);
        (0..count).map(move |n| Family::of(first).address(number(first) + n).unwrap()).collect::<Vec<_>>()
    };
    let last_v6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffb";
    [
        stretch("0.0.0.0", 4),
        stretch("10.0.0.254", 6),
        stretch("255.255.255.252", 4),
        stretch("::", 4),
        stretch("fd00::fffe", 6),
        stretch(last_v6, 5),
    ]
    .concat()
}

#[derive(Debug, Clone)]
enum Step {
    Attach { who: u8, wanted: Vec<prop::sample::Index> },
    Detach { who: u8 },
    Withdraw { who: u8, cooled_ago: Option<u64> },
    EndRest { ago: u64, most: usize },
    Note { key: u8, value: Option<Vec<u8>> },
    Cluster { state: Vec<u8> },
    Reserve { which: prop::sample::Index, key: u8, until: u64 },
    EndReservation { which: prop::sample::Index },
    EndReservations { ago: u64, most: usize },
    Commit,
    Drop,
}

fn step() -> impl Strategy<Value = Step> {
    let wanted = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    prop_oneof![
        6 => (0u8..12, wanted).prop_map(|(who, wanted)| Step::Attach { who, wanted }),
        4 => (0u8..12).prop_map(|who| Step::Detach { who }),
        2 => (0u8..12, prop::option::of(0u64..30)).prop_map(|(who, cooled_ago)| Step::Withdraw { who, cooled_ago }),
        2 => (0u64..30, 0usize..5).prop_map(|(ago, most)| Step::EndRest { ago, most }),
        2 => (0u8..4, prop::option::of(prop::collection::vec(any::<u8>(), 0..9)))
            .prop_map(|(key, value)| Step::Note { key, value }),
        1 => prop::collection::vec(any::<u8>(), 0..9).prop_map(|state| Step::Cluster { state }),
        3 => (any::<prop::sample::Index>(), 0u8..3, 0u64..200)
            .prop_map(|(which, key, until)| Step::Reserve { which, key, until }),
        1 => any::<prop::sample::Index>().prop_map(|which| Step::EndReservation { which }),
        1 => (0u64..30, 0usize..5).prop_map(|(ago, most)| Step::EndReservations { ago, most }),
        2 => Just(Step::Commit),
        1 => Just(Step::Drop),
    ]
}

/// What a ledger should know, in the plainest words.
#[derive(Debug, Clone, Default)]
struct Model {
    attachments: BTreeMap<AttachmentKey, AttachmentRecord>,
    resting: BTreeMap<IpAddr, u64>,
    last_holders: BTreeMap<IpAddr, AttachmentKey>,
    reservations: BTreeMap<IpAddr, (u64, String)>,
    notes: BTreeMap<String, Vec<u8>>,
    cluster: Option<Vec<u8>>,
}

impl Model {
    fn holder(&self, address: IpAddr) -> Option<AttachmentKey> {
        self.attachments.iter().find(|(_, record)| record.addresses.contains(&address)).map(|(key, _)| key.clone())
    }

    fn used(&self) -> BTreeSet<IpAddr> {
        let leased = self.attachments.values().flat_map(|record| record.addresses.iter().copied());
        leased.chain(self.resting.keys().copied()).chain(self.reservations.keys().copied()).collect()
    }

    fn next_unused(&self, within: IpRange) -> Option<IpAddr> {
        let used = self.used();
        let candidates = std::iter::once(within.first()).chain(used.iter().copied().filter_map(successor));
        candidates.filter(|address| within.contains(*address) && !used.contains(address)).min()
    }

    fn next_used_run(&self, from: IpAddr) -> Option<IpRange> {
        let used = self.used();
        let first = *used.range(from..).find(|address| Family::of(**address) == Family::of(from))?;
        let mut run = IpRange::single(first);
        while let Some(below) = gingham_engine::address::predecessor(run.first()).filter(|below| used.contains(below)) {
            run = IpRange::new(below, run.last()).unwrap();
        }
        while let Some(above) = successor(run.last()).filter(|above| used.contains(above)) {
            run = IpRange::new(run.first(), above).unwrap();
        }
        Some(run)
    }

    fn cooling_order(&self) -> BTreeSet<(u64, IpAddr)> {
        self.resting.iter().map(|(address, freed_at)| (*freed_at, *address)).collect()
    }

    fn take(&mut self, step: &Step, now: u64) {
        match step {
            Step::Attach { who, .. } => {
                if let Some(new) = self.attachment_for(step) {
                    self.resting.retain(|address, _| !new.addresses.contains(address));
                    self.attachments.insert(container(who), new);
                }
            }
            Step::Detach { who } => {
                let gone = self.attachments.remove(&container(who));
                for address in gone.into_iter().flat_map(|gone| gone.addresses) {
                    self.resting.insert(address, now);
                    self.last_holders.insert(address, container(who));
                }
            }
            Step::Withdraw { who, cooled_ago } => {
                let gone = self.attachments.remove(&container(who));
                let cools = cooled_ago.map(|ago| now - ago);
                let addresses = gone.into_iter().flat_map(|gone| gone.addresses);
                // The first address had cooled before, the others are free.
                for (address, since) in addresses.take(1).filter_map(|address| Some((address, cools?))) {
                    self.resting.insert(address, since);
                    self.last_holders.insert(address, container(who));
                }
            }
            Step::EndRest { ago, most } => {
                let due = self.cooling_order().into_iter().filter(|(freed_at, _)| *freed_at <= now - ago).take(*most);
                for (_, address) in due {
                    self.resting.remove(&address);
                }
            }
            Step::Note { key, value: Some(value) } => drop(self.notes.insert(note(*key), value.clone())),
            Step::Note { key, value: None } => drop(self.notes.remove(&note(*key))),
            Step::Cluster { state } => self.cluster = Some(state.clone()),
            Step::Reserve { which, key, until } => {
                let _ = self.reservations.insert(*which.get(&addresses()), (NOW + until, reservation_key(*key)));
            }
            Step::EndReservation { which } => drop(self.reservations.remove(which.get(&addresses()))),
            Step::EndReservations { ago, most } => {
                let due = self.reservation_order().into_iter().filter(|(until, _)| *until <= now - ago).take(*most);
                for (_, address) in due {
                    self.reservations.remove(&address);
                }
            }
            Step::Commit | Step::Drop => {}
        }
    }

    fn reservation_order(&self) -> BTreeSet<(u64, IpAddr)> {
        self.reservations.iter().map(|(address, (until, _))| (*until, *address)).collect()
    }

    fn reservations(&self, wanted: impl Fn(&Reservation) -> bool) -> Vec<Reservation> {
        let all = self.reservations.iter().map(|(address, (until, key))| Reservation {
            address: *address,
            key: key.clone(),
            until: *until,
        });
        all.filter(wanted).collect()
    }

    /// What a step would attach: a new container, addresses nobody holds.
    fn attachment_for(&self, step: &Step) -> Option<AttachmentRecord> {
        let Step::Attach { who, wanted } = step else { return None };
        if self.attachments.contains_key(&container(who)) {
            return None;
        }
        let all = addresses();
        let mut wanted: Vec<IpAddr> = wanted.iter().map(|index| all[index.index(all.len())]).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|address| self.holder(*address).is_none());
        let namespace = ["shop", "team", "te"].get(usize::from(who % 4)).map(|name| (*name).to_owned());
        Some(AttachmentRecord { pod: Pod { namespace, ..Pod::default() }, ..record(&wanted) })
    }
}

fn former(who: u8) -> FormerHolder {
    FormerHolder { key: container(who), pod: Pod::default() }
}

fn reservation_key(key: u8) -> String {
    ["a", "ab", "shop/web-0"][usize::from(key)].to_owned()
}

fn note(key: u8) -> String {
    ["", "a", "ab", "b"][usize::from(key)].to_owned()
}

/// Does to a ledger what the model did, and checks what it says about it.
fn take(ledger: &mut impl Ledger, before: &Model, after: &Model, step: &Step, now: u64) {
    match step {
        Step::Attach { who, .. } => {
            if let Some(new) = before.attachment_for(step) {
                ledger.attach(&container(who), &new).unwrap();
            }
        }
        Step::Detach { who } => {
            let gone = ledger.detach(&container(who), now).unwrap();
            assert_eq!(gone.as_ref(), before.attachments.get(&container(who)));
        }
        Step::Withdraw { who, cooled_ago } => {
            let known = before.attachments.get(&container(who));
            let first = known.and_then(|record| record.addresses.first());
            let cools = |address: &&IpAddr| {
                Some(Cooling { address: **address, since: now - (*cooled_ago)?, last_holder: Some(former(*who)) })
            };
            let cooling: Vec<_> = first.iter().filter_map(cools).collect();
            assert_eq!(ledger.withdraw(&container(who), &cooling).unwrap().as_ref(), known);
        }
        Step::EndRest { ago, most } => {
            assert_eq!(ledger.end_cooldowns(now - ago, *most).unwrap(), before.resting.len() - after.resting.len());
        }
        Step::Note { key, value } => ledger.put_state(&note(*key), value.as_deref()).unwrap(),
        Step::Cluster { state } => ledger.put_cluster_state(state).unwrap(),
        Step::Reserve { which, key, until } => {
            let address = *which.get(&addresses());
            ledger.reserve(&Reservation { address, key: reservation_key(*key), until: NOW + until }).unwrap();
        }
        Step::EndReservation { which } => {
            let address = *which.get(&addresses());
            let was_there = before.reservations.contains_key(&address);
            assert_eq!(ledger.end_reservation(address).unwrap(), was_there);
        }
        Step::EndReservations { ago, most } => {
            let ended = before.reservations.len() - after.reservations.len();
            assert_eq!(ledger.end_reservations(now - ago, *most).unwrap(), ended);
        }
        Step::Commit | Step::Drop => {}
    }
}

fn compare(ledger: &impl LedgerQueries, model: &Model) {
    check_invariants(ledger);
    let known: Vec<_> = model.attachments.clone().into_iter().collect();
    assert_eq!(ledger.attachments().unwrap(), known);
    let all = addresses();
    for address in &all {
        assert_eq!(ledger.holder(*address).unwrap(), model.holder(*address), "holder of {address}");
        assert_eq!(ledger.cooling_since(*address).unwrap(), model.resting.get(address).copied(), "rest of {address}");
        assert_eq!(ledger.next_used_run(*address).unwrap(), model.next_used_run(*address), "run from {address}");
    }
    let ranges = all.iter().flat_map(|first| all.iter().filter_map(|last| IpRange::new(*first, *last)));
    for range in ranges {
        assert_eq!(ledger.next_unused(range).unwrap(), model.next_unused(range), "unused within {range}");
        let resting: BTreeSet<_> = model.cooling_order().into_iter().filter(|(_, a)| range.contains(*a)).collect();
        assert_eq!(ledger.cooling_count(range).unwrap(), resting.len() as u64, "resting within {range}");
        let longest = resting.iter().find(|(_, address)| !model.reservations.contains_key(address));
        let longest = longest.map(|(freed_at, address)| (*address, *freed_at));
        assert_eq!(ledger.longest_cooling(&[range]).unwrap(), longest, "longest resting within {range}");
    }
    compare_notes(ledger, model);
    compare_leases(ledger, model);
    compare_reservations(ledger, model);
    assert_eq!(ledger.cluster_state().unwrap(), model.cluster);
}

fn compare_leases(ledger: &impl LedgerQueries, model: &Model) {
    let all = addresses();
    for address in &all {
        let holder = ledger.last_holder(*address).unwrap();
        let expected = model.resting.get(address).map(|since| (model.last_holders[address].clone(), *since));
        assert_eq!(holder.map(|(holder, since)| (holder.key, since)), expected, "last holder of {address}");
    }
    for (first, last) in [(all[0], all[9]), (all[2], all[12]), (all[14], all[20])] {
        let within = IpRange::new(first, last).unwrap();
        let mut leases: Vec<IpAddr> = all.iter().copied().filter(|address| model.holder(*address).is_some()).collect();
        leases.retain(|address| within.contains(*address));
        leases.truncate(3);
        let listed = ledger.leases_within(within, 3).unwrap();
        assert_eq!(listed.iter().map(|(address, _)| *address).collect::<Vec<_>>(), leases, "leases of {within}");
        assert!(listed.iter().all(|(address, key)| model.holder(*address).as_ref() == Some(key)));
    }
    for namespace in ["shop", "team", "te", "none", ""] {
        let of = |record: &&AttachmentRecord| record.pod.namespace.as_deref() == Some(namespace);
        let held = model.attachments.values().filter(of).flat_map(|record| record.addresses.iter().copied());
        let held: BTreeSet<IpAddr> = held.collect();
        assert_eq!(ledger.lease_count_of_namespace(namespace).unwrap(), held.len() as u64, "count of {namespace:?}");
        for after in [None, Some(all[3]), Some(all[15])] {
            let above: Vec<IpAddr> =
                held.iter().copied().filter(|address| after.is_none_or(|after| *address > after)).take(2).collect();
            assert_eq!(ledger.leases_of_namespace(namespace, after, 2).unwrap(), above, "leases of {namespace:?}");
        }
    }
}

fn compare_reservations(ledger: &impl LedgerQueries, model: &Model) {
    assert_eq!(ledger.reservation_count().unwrap(), model.reservations.len() as u64);
    for address in addresses() {
        let expected = model.reservations(|reservation| reservation.address == address).pop();
        assert_eq!(ledger.reservation(address).unwrap(), expected, "reservation of {address}");
    }
    for key in (0..3).map(reservation_key) {
        let expected = model.reservations(|reservation| reservation.key == key);
        assert_eq!(ledger.reservations_of(&key).unwrap(), expected, "reservations under {key}");
    }
    for family in Family::ALL {
        let expected = model.reservations(|reservation| Family::of(reservation.address) == family);
        assert_eq!(ledger.reservations_within(family.whole()).unwrap(), expected);
    }
}

fn compare_notes(ledger: &impl LedgerQueries, model: &Model) {
    for prefix in ["", "a", "b", "c"] {
        for after in [None, Some(""), Some("a"), Some("ab"), Some("zz")] {
            let keys = model.notes.keys().filter(|key| key.starts_with(prefix));
            let keys: Vec<_> =
                keys.filter(|key| after.is_none_or(|after| key.as_str() > after)).take(2).cloned().collect();
            assert_eq!(ledger.state_keys(prefix, after, 2).unwrap(), keys, "notes {prefix:?} after {after:?}");
        }
    }
    for key in 0..4 {
        assert_eq!(ledger.state_value(&note(key)).unwrap().as_ref(), model.notes.get(&note(key)));
    }
}

fn play(directory: &Path, steps: &[Step]) {
    let memory = MemoryStore::new();
    let mut committed = Model::default();
    let mut model = committed.clone();
    let mut now = NOW;
    let open = |now| Store::open(directory, BOOT, now).unwrap().into_ledger("net").unwrap();
    let mut ledgers = (open(now), memory.ledger("net"));
    for step in steps {
        now += 7;
        let before = model.clone();
        model.take(step, now);
        take(&mut ledgers.0, &before, &model, step, now);
        take(&mut ledgers.1, &before, &model, step, now);
        match step {
            Step::Commit => {
                ledgers.0.commit().unwrap();
                ledgers.1.commit().unwrap();
                committed = model.clone();
                ledgers = (open(now), memory.ledger("net"));
            }
            Step::Drop => {
                drop(ledgers);
                model = committed.clone();
                ledgers = (open(now), memory.ledger("net"));
            }
            _ => {}
        }
        compare(&ledgers.0, &model);
        compare(&ledgers.1, &model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn both_ledgers_do_what_the_model_does(steps in prop::collection::vec(step(), 1..40)) {
        let disk = Tmpfs::of("8m");
        play(&disk.store(), &steps);
    }
}
