//! Which address of the node's blocks a container gets.

use std::net::IpAddr;

use gingham_sdk::leases::{self, AddressState};
use gingham_sdk::{Assigned, IpNet, IpRange, Pool, Refusal, Request, log, shares, state};

use crate::config::Pick;
use crate::plan::Plan;

/// Where round robin keeps the last address it handed out.
const LAST: &str = "last";

/// The address asked for by name; without one, the one whose turn it is.
pub(crate) fn choose(plan: &Plan, pick: Pick, pool: &Pool, request: &Request) -> Result<Assigned, Refusal> {
    let address = match request.requested_addresses().as_slice() {
        [] => picked(pick, pool, request).ok_or_else(|| exhausted(plan))?,
        [wanted, ..] => requested(plan, pool, *wanted)?,
    };
    if pick == Pick::RoundRobin {
        remember(address);
    }
    pool.assign(address).ok_or_else(|| exhausted(plan))
}

fn picked(pick: Pick, pool: &Pool, request: &Request) -> Option<IpAddr> {
    match pick {
        Pick::Lowest => pool.first_free(),
        Pick::RoundRobin => {
            let last = state::get_bytes(LAST).and_then(|text| String::from_utf8(text).ok()?.parse().ok());
            pool.next_free_after(last)
        }
        Pick::Random => random(pool, request),
    }
}

/// Each block is as likely as another; without blocks (a single node) each address. From there upwards to what is free.
fn random(pool: &Pool, request: &Request) -> Option<IpAddr> {
    let range = pool.ranges().first()?.range();
    let mut random = request.random();
    let blocks = shares::claimed();
    let block = usize::try_from(random.below(blocks.len() as u64)).ok().and_then(|index| blocks.get(index));
    let start = random.address(block.map_or(range, |block| IpRange::from(*block)));
    leases::next_free(range.starting_at(start)?, None).or_else(|| pool.first_free())
}

fn requested(plan: &Plan, pool: &Pool, wanted: IpAddr) -> Result<IpAddr, Refusal> {
    let because =
        |reason: String| Err(Refusal::Unavailable(format!("requested IP address {wanted} is not available: {reason}")));
    if pool.find(wanted).is_none() {
        return because(format!("it is not in {}", plan.subnet));
    }
    match leases::state(wanted) {
        AddressState::Free => Ok(wanted),
        AddressState::Outside => because(whose(plan, wanted)),
        state => because(format!("it is {state}")),
    }
}

/// Why an address of the range is in none of the blocks this node may use.
fn whose(plan: &Plan, wanted: IpAddr) -> String {
    let block = plan.grid.block_of(wanted).unwrap_or(IpNet::from(wanted));
    match shares::holder(wanted) {
        Some(holder) if holder == shares::me() => format!("this node may not use its block {block} yet"),
        Some(holder) => format!("its block {block} belongs to node {holder}"),
        None => format!("its block {block} is unclaimed as far as this node knows"),
    }
}

fn exhausted(plan: &Plan) -> Refusal {
    Refusal::Exhausted(format!("no IP addresses available in the blocks of {} that this node holds", plan.subnet))
}

/// Without it addresses are reused early, which is no reason to refuse one.
fn remember(address: IpAddr) {
    if let Err(error) = state::set_bytes(LAST, address.to_string().as_bytes()) {
        log::warn(&format!("cannot store the last address: {error}"));
    }
}
