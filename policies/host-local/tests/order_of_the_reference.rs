//! Histories of one range set, beside a model: the reference's iterator, address by address.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use gingham_testing::network;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A range in 10.0.N.0/LENGTH; the numbers are offsets from the network's address.
#[derive(Debug, Clone)]
struct Range {
    network: u32,
    length: u8,
    start: Option<u32>,
    end: Option<u32>,
    gateway: Option<u32>,
}

impl Range {
    fn size(&self) -> u32 {
        1 << (32 - self.length)
    }

    fn start(&self) -> u32 {
        self.network + self.start.unwrap_or(1)
    }

    fn end(&self) -> u32 {
        self.network + self.end.unwrap_or(self.size() - 2)
    }

    fn gateway(&self) -> u32 {
        self.network + self.gateway.unwrap_or(1)
    }

    fn contains(&self, address: u32) -> bool {
        self.start() <= address && address <= self.end()
    }

    fn config(&self) -> Value {
        let text = |offset: Option<u32>| offset.map(|offset| Ipv4Addr::from(self.network + offset).to_string());
        json!({"subnet": format!("{}/{}", Ipv4Addr::from(self.network), self.length),
               "rangeStart": text(self.start), "rangeEnd": text(self.end), "gateway": text(self.gateway)})
    }
}

/// The reference's `RangeIter` and its store.
#[derive(Debug, Default)]
struct Model {
    leased: BTreeSet<u32>,
    last: Option<u32>,
}

impl Model {
    fn next(&self, set: &[Range]) -> Option<u32> {
        let from_last = self.last.and_then(|last| Some((set.iter().position(|range| range.contains(last))?, last)));
        let (mut at, mut current, mut stop) = match from_last {
            Some((at, last)) => (at, Some(last), None),
            None => (0, None, None),
        };
        loop {
            let next = match current {
                None => set[at].start(),
                Some(current) if current == set[at].end() => {
                    at = (at + 1) % set.len();
                    set[at].start()
                }
                Some(current) => current + 1,
            };
            if stop == Some(next) {
                return None;
            }
            stop.get_or_insert(next);
            current = Some(next);
            if next != set[at].gateway() && !self.leased.contains(&next) {
                return Some(next);
            }
        }
    }

    fn take(&mut self, address: u32) {
        self.leased.insert(address);
        self.last = Some(address);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Add,
    /// A range and an offset, both modulo what there is.
    AddRequested(usize, u32),
    /// One of those that are there.
    Del(usize),
}

fn range(index: u8) -> impl Strategy<Value = Range> {
    (28u8..=30, any::<[Option<u32>; 3]>()).prop_map(move |(length, offsets)| {
        let size = 1 << (32 - length);
        let [start, end, gateway] = offsets.map(|offset| offset.map(|offset| offset % size));
        let network = u32::from(Ipv4Addr::new(10, 0, index, 0));
        let mut range = Range { network, length, start, end, gateway };
        if range.start() > range.end() {
            (range.start, range.end) = (None, None);
        }
        range
    })
}

fn set() -> impl Strategy<Value = Vec<Range>> {
    (1u8..=3).prop_flat_map(|count| (0..count).map(range).collect::<Vec<_>>())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Add),
        1 => (any::<usize>(), any::<u32>()).prop_map(|(range, offset)| Step::AddRequested(range, offset)),
        2 => any::<usize>().prop_map(Step::Del),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn histories_go_as_the_references(set in set(), steps in prop::collection::vec(step(), 1..60)) {
        let ranges: Vec<Value> = set.iter().map(Range::config).collect();
        let mut network = network(json!({"ranges": [ranges], "cooldown": "0"}));
        let mut model = Model::default();
        let mut holders: Vec<(String, u32)> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            let container = format!("c{number}");
            match step {
                Step::Add => match model.next(&set) {
                    Some(address) => {
                        let got = network.add(&container).granted().address();
                        prop_assert_eq!(got, Ipv4Addr::from(address));
                        model.take(address);
                        holders.push((container, address));
                    }
                    None => {
                        network.add(&container).expect_refused("no IP addresses available in range set");
                    }
                },
                Step::AddRequested(range, offset) => {
                    let range = &set[range % set.len()];
                    let address = range.network + offset % range.size();
                    let text = Ipv4Addr::from(address).to_string();
                    let add = network.add(&container).requested(&text);
                    if !range.contains(address) && model.next(&set).is_some() {
                        add.expect_refused(&format!("failed to allocate all requested IPs: {text}"));
                    } else if !range.contains(address) {
                        add.expect_refused("no IP addresses available in range set");
                    } else if address == range.gateway() {
                        add.expect_refused(&format!("requested ip {text} is subnet's gateway"));
                    } else if model.leased.contains(&address) {
                        add.expect_refused(&format!("requested IP address {text} is not available in range set"));
                    } else {
                        prop_assert_eq!(add.granted().address(), Ipv4Addr::from(address));
                        model.take(address);
                        holders.push((container, address));
                    }
                }
                Step::Del(which) if !holders.is_empty() => {
                    let (container, address) = holders.swap_remove(which % holders.len());
                    prop_assert_eq!(network.del(&container), [Ipv4Addr::from(address)]);
                    model.leased.remove(&address);
                }
                Step::Del(_) => prop_assert!(network.del("nobody").is_empty()),
            }
            let leased: Vec<_> = network.leases().into_iter().map(|(address, _)| address).collect();
            let expected: Vec<_> = model.leased.iter().map(|address| Ipv4Addr::from(*address)).collect();
            prop_assert_eq!(leased, expected);
        }
    }
}
