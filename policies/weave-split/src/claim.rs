//! Which block to claim next: of the own share first, then of the share that has most to spare.

use gingham_sdk::{IpNet, Random, Refusal, shares, stable_hash};

use crate::plan::Plan;

/// The lowest unclaimed block of the own share, or one to borrow.
pub(crate) fn next(plan: &Plan) -> Result<IpNet, Refusal> {
    let (me, members) = (shares::me(), shares::members());
    let count = members.len();
    let own = members.binary_search(&me).ok().and_then(|index| plan.share(count, index));
    own.and_then(|(from, to)| unclaimed(plan, from, to))
        .or_else(|| borrowed(plan, count, stable_hash(me.as_bytes())))
        .ok_or_else(|| Refusal::Exhausted(format!("every block of {} is claimed, by {count} members", plan.inner())))
}

/// A block of the share with most unclaimed blocks. Where to begin, among equal shares and within the share, follows from
/// the name, so that those who borrow at the same time seldom want the same block.
fn borrowed(plan: &Plan, members: usize, hash: u64) -> Option<IpNet> {
    let mut random = Random::from_seed(hash);
    let begin = usize::try_from(random.below(members as u64)).unwrap_or(0);
    let mut most = (0, None);
    for index in (begin..members).chain(0..begin) {
        let Some((from, to)) = plan.share(members, index) else { continue };
        let Some(span) = plan.grid.span(from, to) else { continue };
        let unclaimed = shares::unclaimed_count(span);
        if unclaimed > most.0 {
            most = (unclaimed, Some((from, to)));
        }
    }
    let (from, to) = most.1?;
    let offset = random.below(u64::try_from(to - from).unwrap_or(u64::MAX));
    unclaimed(plan, from + u128::from(offset), to).or_else(|| unclaimed(plan, from, to))
}

fn unclaimed(plan: &Plan, from: u128, to: u128) -> Option<IpNet> {
    shares::next_unclaimed(plan.grid.span(from, to)?, None)
}
