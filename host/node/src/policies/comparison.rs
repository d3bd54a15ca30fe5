//! Whether a digest does worse than the one that it replaced.

use gingham_engine::policy_counters::PolicyCounters;

/// Fewer prove nothing: a pod may have asked for something impossible.
const FEWEST_FAULTS: u64 = 3;
const FEWEST_REFUSALS: u64 = 5;
/// Requests of the old digest, without which there is nothing to compare refusals and fuel with.
const FEWEST_REQUESTS: u64 = 10;
/// In thousandths of the requests.
const FAULTS_SLACK: u64 = 10;
const REFUSALS_SLACK: u64 = 50;
/// In hundredths of the old digest's fuel for a request.
const MOST_FUEL: u64 = 150;

/// What has risen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rise {
    /// For programs.
    pub(super) reason: &'static str,
    /// A sentence.
    pub(super) message: String,
}

pub(super) fn rise(before: &PolicyCounters, new: &PolicyCounters) -> Option<Rise> {
    let (requests, earlier) = (new.requests(), before.requests());
    if new.failed >= FEWEST_FAULTS
        && per_thousand(new.failed, requests) > 2 * per_thousand(before.failed, earlier) + FAULTS_SLACK
    {
        let message = format!(
            "the policy failed in {} of {requests} requests, before in {} of {earlier}: run ginghamctl policy test on its \
             component, and apply the digest of a corrected one",
            new.failed, before.failed
        );
        return Some(Rise { reason: "FaultsRose", message });
    }
    if earlier < FEWEST_REQUESTS {
        return None;
    }
    if new.refused >= FEWEST_REFUSALS
        && per_thousand(new.refused, requests) > 2 * per_thousand(before.refused, earlier) + REFUSALS_SLACK
    {
        let message = format!(
            "the policy refused {} of {requests} requests, before {} of {earlier}: look at the Events of the pods, and apply \
             the digest of a corrected policy",
            new.refused, before.refused
        );
        return Some(Rise { reason: "RefusalsRose", message });
    }
    let (fuel, less) = (per_grant(new)?, per_grant(before)?);
    (fuel > less.saturating_mul(MOST_FUEL) / 100).then(|| Rise {
        reason: "FuelRose",
        message: format!(
            "a request costs {fuel} fuel on average, before {less}: run ginghamctl policy bench on its component, and apply the \
             digest of a cheaper one"
        ),
    })
}

fn per_thousand(part: u64, of: u64) -> u64 {
    part.saturating_mul(1_000).checked_div(of).unwrap_or(0)
}

fn per_grant(counters: &PolicyCounters) -> Option<u64> {
    (counters.granted >= FEWEST_REQUESTS).then(|| counters.fuel / counters.granted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(granted: u64, refused: u64, failed: u64, fuel: u64) -> PolicyCounters {
        PolicyCounters { since: 0, granted, refused, failed, fuel: granted * fuel }
    }

    fn reason(before: PolicyCounters, new: PolicyCounters) -> Option<&'static str> {
        rise(&before, &new).map(|rise| rise.reason)
    }

    #[test]
    fn what_is_worse_than_before_is_found() {
        let good = counters(100, 2, 0, 1_000);
        assert_eq!(reason(good, counters(20, 0, 0, 1_000)), None);
        assert_eq!(reason(good, counters(20, 0, 3, 1_000)), Some("FaultsRose"));
        assert_eq!(reason(good, counters(10, 6, 0, 1_000)), Some("RefusalsRose"));
        assert_eq!(reason(good, counters(10, 0, 0, 1_600)), Some("FuelRose"));
        assert_eq!(
            reason(PolicyCounters::default(), counters(0, 0, 3, 0)),
            Some("FaultsRose"),
            "none before is no fault"
        );
    }

    #[test]
    fn what_is_as_before_or_too_little_to_tell_is_no_rise() {
        let bad = counters(50, 40, 10, 1_000);
        assert_eq!(reason(bad, counters(10, 9, 3, 1_400)), None);
        assert_eq!(reason(counters(100, 0, 0, 1_000), counters(5, 4, 2, 9_000)), None);
        assert_eq!(reason(counters(5, 0, 0, 1), counters(50, 50, 0, 9)), None, "nothing to compare with");
    }
}
