//! How networks of any size are brought to the point where few addresses are free.

use std::net::IpAddr;

use gingham_engine::address::{IpRange, number};
use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::AttachmentRecord;
use gingham_engine::pool::Pools;
use gingham_engine::ranges::RangeSet;
use gingham_engine::settings::Settings;
use serde_json::{Value, json};

use super::sequence::Narrowing;
use crate::addresses;
use crate::scenario::BEGINNING;

/// Leases that a sequence begins with, at most: each costs time in every step.
const MOST_LEASES: u128 = 512;

/// Addresses that a narrowing leaves free, at most.
pub(super) const MOST_FREE: usize = 24;

/// Addresses that it chooses from, at most.
const MOST_CANDIDATES: usize = 2048;

/// The configuration's key for addresses that are never handed out.
const EXCLUDE: &str = "exclude";

/// What the pools of a configuration hand out.
pub(crate) struct Usable {
    ranges: Vec<IpRange>,
    /// The ranges as they are declared, without those that have no usable address.
    declared: Vec<IpRange>,
}

impl Usable {
    pub(crate) fn of(pools: &Pools, settings: &Settings) -> Self {
        let usable = |range| pools.usable_within(range, &settings.exclude);
        let ranges = pools.open_ranges().flat_map(usable).collect();
        let declared = pools.open_ranges().filter(|range| !usable(*range).is_empty()).collect();
        Self { ranges, declared }
    }

    pub(crate) fn into_ranges(self) -> Vec<IpRange> {
        self.ranges
    }

    pub(super) fn declared(&self) -> &[IpRange] {
        &self.declared
    }

    pub(crate) fn count(&self) -> u128 {
        self.ranges.iter().fold(0, |count, range| count.saturating_add(range.len()))
    }

    /// Whether all addresses but a few can be leased when a sequence begins.
    pub(super) fn can_be_leased(&self) -> bool {
        self.count() <= MOST_LEASES
    }

    /// Addresses at the ends of the ranges, where policies err.
    pub(super) fn ends(&self) -> Vec<IpAddr> {
        let ends = |range: &IpRange| {
            let of_family = |number| range.family().address(number);
            let (first, last) = (number(range.first()), number(range.last()));
            let near = [Some(first), first.checked_add(1), last.checked_sub(1), Some(last)];
            let inside = near.into_iter().flatten().filter(|number| (first..=last).contains(number));
            inside.filter_map(of_family).collect::<Vec<_>>()
        };
        let mut found: Vec<IpAddr> = self.ranges.iter().flat_map(ends).collect();
        found.sort_unstable();
        found.dedup();
        // Of many ranges, the first and the last ones.
        if found.len() > MOST_CANDIDATES {
            found.drain(MOST_CANDIDATES / 2..found.len() - MOST_CANDIDATES / 2);
        }
        found
    }

    /// The first addresses of each pool's first range: for a search that is to come round soon.
    pub(super) fn first(&self, count: usize) -> Vec<IpAddr> {
        self.ranges.iter().take(MOST_FREE).flat_map(|range| addresses::each(*range).take(count)).collect()
    }

    fn without(&self, free: &[IpAddr]) -> Vec<IpRange> {
        let free = RangeSet::new(free.iter().copied().map(IpRange::single).collect());
        self.ranges.iter().flat_map(|range| free.without(*range)).collect()
    }
}

impl Narrowing {
    /// The configuration with what the narrowing excludes.
    pub(super) fn configuration(&self, ipam: &Value, usable: &Usable) -> Value {
        let Self::Excluded { free } = self else { return ipam.clone() };
        let mut ipam = ipam.clone();
        if let Some(object) = ipam.as_object_mut() {
            let written = object.keys().find(|key| key.eq_ignore_ascii_case(EXCLUDE)).cloned();
            let written = written.and_then(|key| object.remove(&key)).and_then(|value| value.as_array().cloned());
            let others = usable.without(free).into_iter().map(|range| json!(range.to_string()));
            let excluded: Vec<Value> = written.unwrap_or_default().into_iter().chain(others).collect();
            object.insert(EXCLUDE.to_owned(), excluded.into());
        }
        ipam
    }

    /// The leases that the network begins with.
    pub(super) fn leases(&self, usable: &Usable) -> Vec<(AttachmentKey, AttachmentRecord)> {
        let Self::Leased { free } = self else { return Vec::new() };
        let taken = usable.without(free).into_iter().flat_map(addresses::each);
        let lease = |(index, address): (usize, IpAddr)| {
            let key = AttachmentKey { container_id: format!("other-{index}"), interface: "eth0".to_owned() };
            let record = AttachmentRecord { addresses: vec![address], since: BEGINNING, ..AttachmentRecord::default() };
            (key, record)
        };
        taken.enumerate().map(lease).collect()
    }
}
