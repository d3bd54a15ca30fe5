//! When a refusal is in order. What a request needs is found by asking the policy again, on a branch without leases.

use std::collections::BTreeSet;
use std::time::Duration;

use gingham_engine::address::Family;
use gingham_engine::attachment::{AttachmentKey, Refusal, Request};
use gingham_engine::ipam::{IpamError, IpamResult, PoolRoom};

use super::property::Property;
use super::sequence::Identity;
use super::{CheckError, Counts};
use crate::Scenario;

/// How long `try-again` may last where the policy names no time.
const PATIENCE: Duration = Duration::from_hours(24);

/// What the refusal breaks, if anything.
pub(super) fn judge(
    scenario: &Scenario,
    request: &Request,
    refusal: &Refusal,
    counts: &mut Counts,
) -> Result<Option<(Property, String)>, CheckError> {
    match refusal {
        Refusal::Exhausted(text) if request.requested.is_empty() => {
            counts.exhausted += 1;
            Ok(exhausted(scenario, request, text)?.map(|message| (Property::FindsFreeAddresses, message)))
        }
        Refusal::TryAgain { message, after } => {
            counts.try_again += 1;
            let emptied = emptied(scenario, after.unwrap_or(PATIENCE))?;
            match ask(emptied, request)? {
                Err(IpamError::Refused { refusal: Refusal::TryAgain { message: again, .. }, .. }) => {
                    let text = format!("it refused for now ({message}), and still does when all have ended: {again}");
                    Ok(Some((Property::RefusalsEnd, text)))
                }
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

/// How long a request is to wait before it is tried again.
pub(super) fn patience(refusal: &Refusal) -> Duration {
    match refusal {
        Refusal::TryAgain { after: Some(after), .. } => *after,
        _ => PATIENCE,
    }
}

/// Why `exhausted` is wrong: each pool that the request needs has a free address.
fn exhausted(scenario: &Scenario, request: &Request, text: &str) -> Result<Option<String>, CheckError> {
    let room = scenario.room()?;
    let needed = match ask(emptied(scenario, Duration::ZERO)?, request)? {
        Ok(result) => pools_of(scenario, &result)?,
        // It says so of an empty network as well.
        Err(_) => (0..room.len()).collect(),
    };
    let needed: Vec<&PoolRoom> = needed.into_iter().filter_map(|pool| room.get(pool)).collect();
    if needed.is_empty() || needed.iter().any(|pool| pool.free == 0) {
        return Ok(None);
    }
    let free: Vec<String> = needed.iter().map(|pool| format!("{} has {} free", pool.name, pool.free)).collect();
    Ok(Some(format!("it refused as exhausted ({text}), and {}", free.join(", "))))
}

/// Why the refusal of a retry is wrong. Here the pools have room: the container's own address has just become free.
pub(super) fn of_retry(before: &Scenario, identity: &Identity, container: &str) -> Result<Option<String>, CheckError> {
    let again = |after: Duration| {
        let mut branch = before.branch();
        branch.set_rehearsal(false);
        branch.advance(after);
        let request = identity.request(&mut branch, container, &[]);
        Ok::<_, CheckError>(branch.add(&request)?.result)
    };
    let Err(IpamError::Refused { refusal, .. }) = again(Duration::ZERO)? else { return Ok(None) };
    if matches!(refusal, Refusal::TryAgain { .. }) && again(patience(&refusal))?.is_ok() {
        return Ok(None);
    }
    let policy = before.policy().name().to_owned();
    let refused = IpamError::Refused { policy, refusal };
    Ok(Some(format!(
        "container {container} had an address, its DEL succeeded, and its next ADD was refused: {refused}"
    )))
}

/// Why an answer has too few families: without leases it would have more.
pub(super) fn families(
    scenario: &Scenario,
    request: &Request,
    result: &IpamResult,
) -> Result<Option<String>, CheckError> {
    let of_network: BTreeSet<Family> = result.networks.iter().map(|network| Family::of(network.addr())).collect();
    let got = families_of(result);
    if got == of_network {
        return Ok(None);
    }
    let Ok(other) = ask(emptied(scenario, Duration::ZERO)?, request)? else { return Ok(None) };
    let missing: Vec<String> = families_of(&other).difference(&got).map(ToString::to_string).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let shown: Vec<String> = result.addresses().map(|address| address.to_string()).collect();
    let missing = missing.join(" and ");
    let text =
        format!("it answered {} without an {missing} address, which it adds when the pools are empty", shown.join(" "));
    Ok(Some(text))
}

fn families_of(result: &IpamResult) -> BTreeSet<Family> {
    result.addresses().map(Family::of).collect()
}

/// The same network after all containers have ended and their addresses have cooled.
fn emptied(scenario: &Scenario, after: Duration) -> Result<Scenario, CheckError> {
    let mut branch = scenario.branch();
    branch.set_rehearsal(false);
    let keys: Vec<AttachmentKey> = branch.attachments()?.into_iter().map(|(key, _)| key).collect();
    // A release hook that fails is reported where it fails in the sequence itself.
    let _ = branch.end(&keys);
    branch.advance(branch.settings().cooldown);
    branch.advance(after);
    Ok(branch)
}

fn ask(mut branch: Scenario, request: &Request) -> Result<Result<IpamResult, IpamError>, CheckError> {
    let request = Request { now: branch.now(), ..request.clone() };
    Ok(branch.add(&request)?.result)
}

/// The numbers of the pools that the addresses lie in.
fn pools_of(scenario: &Scenario, result: &IpamResult) -> Result<BTreeSet<usize>, CheckError> {
    let pools = scenario.check_config().result?;
    let holds =
        |pool: &gingham_engine::pool::Pool, address| pool.ranges.iter().any(|part| part.range.contains(address));
    let pool_of = |address| pools.iter().position(|pool| holds(pool, address));
    Ok(result.addresses().filter_map(pool_of).collect())
}
