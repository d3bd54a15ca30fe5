//! What is kept of one network: attachments, and what is derived from them to answer questions quickly.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

use crate::address::{Family, IpRange, predecessor, successor};
use crate::attachment::{AttachmentKey, FormerHolder, Pod};
use crate::ledger::{AttachmentRecord, Reservation};

/// Its maps share what they have in common with their copies: a copy costs nothing, however many leases there are, and a
/// request of a test works on several.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    /// How often it was committed.
    pub(super) edition: u64,
    pub(super) attachments: RedBlackTreeMapSync<AttachmentKey, AttachmentRecord>,
    pub(super) leases: RedBlackTreeMapSync<IpAddr, AttachmentKey>,
    /// The leases of each pod namespace.
    pub(super) by_namespace: RedBlackTreeSetSync<(String, IpAddr)>,
    /// Address to the time it was freed, and the other way round.
    pub(super) cooling: RedBlackTreeMapSync<IpAddr, u64>,
    pub(super) cooling_order: RedBlackTreeSetSync<(u64, IpAddr)>,
    pub(super) last_holders: RedBlackTreeMapSync<IpAddr, FormerHolder>,
    /// Address to key and end.
    pub(super) reservations: RedBlackTreeMapSync<IpAddr, (String, u64)>,
    /// Maximal runs of used addresses: first to last. IPv4 sorts before IPv6.
    pub(super) runs: RedBlackTreeMapSync<IpAddr, IpAddr>,
    pub(super) state: RedBlackTreeMapSync<String, Vec<u8>>,
    pub(super) last_allocated: RedBlackTreeMapSync<u32, IpAddr>,
    pub(super) cluster_state: Option<Vec<u8>>,
    pub(super) shadow: BTreeMap<String, Vec<u8>>,
}

pub(super) fn take<K: Ord, V: Clone>(map: &mut RedBlackTreeMapSync<K, V>, key: &K) -> Option<V> {
    let value = map.get(key).cloned();
    map.remove_mut(key);
    value
}

impl Book {
    pub(super) fn run_at_or_below(&self, address: IpAddr) -> Option<IpRange> {
        let (first, last) = self.runs.range(..=address).next_back()?;
        IpRange::new(*first, *last).filter(|run| run.family() == Family::of(address))
    }

    pub(super) fn is_used(&self, address: IpAddr) -> bool {
        self.run_at_or_below(address).is_some_and(|run| run.contains(address))
    }

    pub(super) fn use_address(&mut self, address: IpAddr) {
        if self.is_used(address) {
            return;
        }
        let last = successor(address).and_then(|next| take(&mut self.runs, &next)).unwrap_or(address);
        let below =
            predecessor(address).and_then(|previous| self.run_at_or_below(previous).filter(|r| r.contains(previous)));
        self.runs.insert_mut(below.map_or(address, |run| run.first()), last);
    }

    pub(super) fn unuse_address(&mut self, address: IpAddr) {
        let Some(run) = self.run_at_or_below(address).filter(|run| run.contains(address)) else { return };
        self.runs.remove_mut(&run.first());
        let before = predecessor(address).filter(|_| run.first() < address).map(|last| (run.first(), last));
        let after = successor(address).filter(|_| address < run.last()).map(|first| (first, run.last()));
        for (first, last) in before.into_iter().chain(after) {
            self.runs.insert_mut(first, last);
        }
    }

    pub(super) fn unuse_if_free(&mut self, address: IpAddr) {
        let is_used = self.leases.contains_key(&address)
            || self.cooling.contains_key(&address)
            || self.reservations.contains_key(&address);
        if !is_used {
            self.unuse_address(address);
        }
    }

    pub(super) fn end_cooldown(&mut self, address: IpAddr) -> bool {
        let Some(freed_at) = take(&mut self.cooling, &address) else { return false };
        self.cooling_order.remove_mut(&(freed_at, address));
        self.last_holders.remove_mut(&address);
        true
    }

    /// The leases of a pod namespace above an address, in order.
    pub(super) fn of_namespace(&self, namespace: &str, after: Option<IpAddr>) -> impl Iterator<Item = IpAddr> {
        let lowest = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let from = (namespace.to_owned(), after.unwrap_or(lowest));
        let leases = self.by_namespace.range(from..).take_while(move |(of, _)| of == namespace);
        leases.map(|(_, address)| *address).filter(move |address| Some(*address) != after)
    }

    pub(super) fn lease(&mut self, address: IpAddr, key: &AttachmentKey, pod: &Pod) {
        self.leases.insert_mut(address, key.clone());
        if let Some(namespace) = &pod.namespace {
            self.by_namespace.insert_mut((namespace.clone(), address));
        }
    }

    pub(super) fn end_lease(&mut self, address: IpAddr, pod: &Pod) {
        self.leases.remove_mut(&address);
        if let Some(namespace) = &pod.namespace {
            self.by_namespace.remove_mut(&(namespace.clone(), address));
        }
    }

    pub(super) fn reservations(&self, wanted: impl Fn(&Reservation) -> bool) -> Vec<Reservation> {
        let all = self.reservations.iter().map(|(address, (key, until))| Reservation {
            address: *address,
            key: key.clone(),
            until: *until,
        });
        all.filter(wanted).collect()
    }

    pub(super) fn cool(&mut self, address: IpAddr, now: u64) {
        self.end_cooldown(address);
        self.cooling.insert_mut(address, now);
        self.cooling_order.insert_mut((now, address));
    }
}
