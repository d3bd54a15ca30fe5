//! Networks with many leases.

use std::net::IpAddr;

use gingham_engine::address::IpRange;
use gingham_engine::attachment::{AttachmentKey, Pod};
use gingham_engine::ledger::AttachmentRecord;
use gingham_engine::pool::Pools;
use serde_json::Value;

use crate::check::{CheckError, Subject, Usable};
use crate::scenario::BEGINNING;
use crate::{Scenario, addresses};

/// Addresses that a network of this bench may have at most, in all: leases are kept in memory.
const MOST: u64 = 300_000;

/// Namespaces of the pods that hold the leases.
const NAMESPACES: [&str; 4] = ["shop", "batch", "team-a", "team-b"];

/// How many addresses are leased.
#[derive(Debug, Clone, Copy)]
pub(super) enum Amount {
    /// Of each pool.
    Percent(u64),
    /// In equal parts of all pools, as far as they go.
    Leases(u64),
}

/// How many addresses each pool hands out.
pub(super) struct Capacity {
    pools: Vec<u128>,
    is_cluster: bool,
}

impl Capacity {
    pub(super) fn of(subject: &Subject, ipam: &Value) -> Result<Self, CheckError> {
        let scenario = subject.scenario(ipam)?;
        let pools = scenario.check_config().result;
        let pools = pools.map_err(|source| CheckError::Configuration { ipam: ipam.clone(), source })?;
        let pools = usable_of(&pools, &scenario)?.iter().map(Usable::count).collect();
        Ok(Self { pools, is_cluster: subject.policy.is_cluster() })
    }

    /// How many addresses of each pool, or why it cannot be measured.
    pub(super) fn shares(&self, amount: Amount) -> Result<Vec<u64>, String> {
        let total = self.pools.iter().copied().fold(0, u128::saturating_add);
        match amount {
            Amount::Percent(0) => Ok(vec![0; self.pools.len()]),
            Amount::Percent(_) if total > u128::from(MOST) => {
                Err(format!("not measured: the pools have more than {MOST} addresses"))
            }
            Amount::Percent(percent) => Ok(self.pools.iter().map(|pool| saturated(*pool) * percent / 100).collect()),
            Amount::Leases(leases) => {
                // Each pool keeps one for the request.
                let open = self.pools.iter().map(|pool| saturated(pool.saturating_sub(1)));
                let shares = in_parts(leases, &open.collect::<Vec<_>>());
                shares.ok_or_else(|| format!("not measured: the pools have {total} addresses"))
            }
        }
    }

    /// Leases so many addresses of each pool, the lowest ones.
    pub(super) fn lease(&self, scenario: &mut Scenario, shares: &[u64]) -> Result<(), CheckError> {
        let pools = if self.is_cluster { claim(scenario, shares)? } else { ranges(scenario)? };
        let taken = pools.iter().zip(shares).flat_map(|(ranges, share)| lowest(ranges, *share));
        scenario.set_attachments(taken.enumerate().map(lease))?;
        Ok(())
    }
}

fn saturated(addresses: u128) -> u64 {
    u64::try_from(addresses).unwrap_or(u64::MAX)
}

/// A number in equal parts, but none above its bound. None if it is more than all bounds together.
fn in_parts(number: u64, bounds: &[u64]) -> Option<Vec<u64>> {
    let mut parts = vec![0; bounds.len()];
    let mut by_bound: Vec<usize> = (0..bounds.len()).collect();
    by_bound.sort_by_key(|index| bounds[*index]);
    let mut left = number;
    for (done, index) in by_bound.iter().enumerate() {
        let share = left.div_ceil(u64::try_from(bounds.len() - done).unwrap_or(1)).min(bounds[*index]);
        parts[*index] = share;
        left -= share;
    }
    (left == 0).then_some(parts)
}

fn usable_of(pools: &[gingham_engine::pool::Pool], scenario: &Scenario) -> Result<Vec<Usable>, CheckError> {
    let one = |pool: &gingham_engine::pool::Pool| {
        let policy = scenario.policy().name().to_owned();
        let pools = Pools::new(vec![pool.clone()]);
        let pools = pools.map_err(|source| gingham_engine::ipam::IpamError::Pools { policy, source })?;
        Ok(Usable::of(&pools, scenario.settings()))
    };
    pools.iter().map(one).collect()
}

/// What each pool hands out.
fn ranges(scenario: &Scenario) -> Result<Vec<Vec<IpRange>>, CheckError> {
    let pools = scenario.check_config().result?;
    Ok(usable_of(&pools, scenario)?.into_iter().map(Usable::into_ranges).collect())
}

/// A member of a cluster leases what it holds: it claims blocks until they hold so many addresses and one more.
fn claim(scenario: &mut Scenario, shares: &[u64]) -> Result<Vec<Vec<IpRange>>, CheckError> {
    let me = scenario.context().node;
    let mut held = Vec::new();
    for (index, (ranges, share)) in ranges(scenario)?.into_iter().zip(shares).enumerate() {
        let mut of_pool: Vec<IpRange> = Vec::new();
        while of_pool.iter().map(IpRange::len).fold(0, u128::saturating_add) <= u128::from(*share) {
            let Ok(proposal) = scenario.next_block(index)?.result else { break };
            scenario.claim(&me, proposal.block)?;
            of_pool.extend(ranges.iter().filter_map(|range| range.intersection(&proposal.block.into())));
        }
        held.push(of_pool);
    }
    Ok(held)
}

fn lowest(ranges: &[IpRange], count: u64) -> Vec<IpAddr> {
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    ranges.iter().copied().flat_map(addresses::each).take(most).collect()
}

fn lease((index, address): (usize, IpAddr)) -> (AttachmentKey, AttachmentRecord) {
    let container_id = format!("{index:064x}");
    let pod = Pod {
        namespace: Some(NAMESPACES[index % NAMESPACES.len()].to_owned()),
        name: Some(format!("pod-{index}")),
        uid: None,
    };
    let record = AttachmentRecord { addresses: vec![address], since: BEGINNING, pod, ..AttachmentRecord::default() };
    (AttachmentKey { container_id, interface: "eth0".to_owned() }, record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_equal_as_far_as_pools_go() {
        assert_eq!(in_parts(10, &[100, 100]), Some(vec![5, 5]));
        assert_eq!(in_parts(100, &[1000, 12]), Some(vec![88, 12]));
        assert_eq!(in_parts(7, &[3, 3]), None);
        assert_eq!(in_parts(0, &[0]), Some(vec![0]));
    }
}
