//! Generated address ranges that are as they should be.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::random::Random;

/// A range, as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    /// Its network.
    pub(crate) subnet: IpNet,
    /// The object in the configuration.
    pub(crate) written: Value,
}

impl Range {
    /// The address so far behind the network's.
    pub(crate) fn at(&self, offset: u32) -> IpAddr {
        at(self.subnet, offset)
    }

    /// How many addresses are worth choosing from.
    pub(crate) fn size(&self) -> u32 {
        1 << (self.subnet.max_prefix_len() - self.subnet.prefix_len()).min(8)
    }

    /// One of its addresses, edges and gateway among them.
    pub(crate) fn any(&self, random: &mut Random) -> IpAddr {
        let offset = random.below(self.size());
        self.at(offset)
    }
}

fn at(subnet: IpNet, offset: u32) -> IpAddr {
    match subnet.network() {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4).wrapping_add(offset)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6).wrapping_add(offset.into())).into(),
    }
}

/// Throws ranges that do not overlap.
pub(crate) struct Ranges {
    used: u32,
}

impl Ranges {
    pub(crate) fn new() -> Self {
        Self { used: 0 }
    }

    /// Sets of ranges: most often one with one range.
    pub(crate) fn sets(&mut self, random: &mut Random) -> Vec<Vec<Range>> {
        let count = random.pick(&[1, 1, 1, 2, 2, 3]);
        let first_is_v4 = random.percent(75);
        // The second is of IPv6 and the third of IPv4.
        (0..count).map(|number| self.set(random, if number == 0 { first_is_v4 } else { number == 2 })).collect()
    }

    /// One set of a family.
    pub(crate) fn set(&mut self, random: &mut Random, v4: bool) -> Vec<Range> {
        let count = random.pick(&[1, 1, 1, 2, 3]);
        (0..count).map(|_| self.range(random, v4)).collect()
    }

    /// One range of a family.
    pub(crate) fn range(&mut self, random: &mut Random, v4: bool) -> Range {
        self.used += 1;
        let used = self.used;
        let subnet: IpNet = if v4 {
            format!("10.{used}.0.0/{}", random.pick(&[16, 24, 27, 28, 29, 29, 30, 30])).parse().unwrap()
        } else {
            format!("fd00:{used}::/{}", random.pick(&[64, 112, 120, 124, 125, 126, 126])).parse().unwrap()
        };
        let mut range = Range { subnet, written: json!({"subnet": subnet.to_string()}) };
        bound(&mut range, random);
        range
    }
}

fn bound(range: &mut Range, random: &mut Random) {
    let size = range.size();
    let (start, end) = (random.below(size), random.below(size));
    let (start, end) = (start.min(end), start.max(end));
    let v4 = range.subnet.addr().is_ipv4();
    // Without an end of its own, a range of IPv4 ends before the broadcast address.
    if random.percent(30) && !(v4 && start == size - 1 && range.subnet.prefix_len() >= 24) {
        range.written["rangeStart"] = json!(range.at(start).to_string());
    }
    if random.percent(30) && end > 0 {
        range.written["rangeEnd"] = json!(range.at(end).to_string());
    }
    match random.below(10) {
        0 | 1 => range.written["gateway"] = json!(range.any(random).to_string()),
        2 if v4 => range.written["gateway"] = json!("10.99.0.1"),
        3 => range.written["gateway"] = json!(""),
        _ => {}
    }
}
