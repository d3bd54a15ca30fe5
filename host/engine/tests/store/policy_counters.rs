//! Requests are counted by the policy that decided them, where an agent reads it, and for so many versions of it.

use gingham_engine::facts::{Facts, Feed};
use gingham_engine::ledger::{Ledger, LedgerQueries as _};
use gingham_engine::policy_counters::{PolicyCounters, RequestEnd};
use gingham_engine::store::Store;

use crate::fixtures::{BOOT, NOW, Tmpfs, check_invariants, container, ip, record};

fn count(disk: &Tmpfs, policy: &str, end: RequestEnd, now: u64) {
    let mut ledger = Store::open(&disk.store(), BOOT, NOW).unwrap().into_ledger("net").unwrap();
    ledger.count_for_policy(policy, end, now).unwrap();
    ledger.commit().unwrap();
}

#[test]
fn ends_are_counted_once_an_agent_reads_them_and_the_oldest_version_goes_first() {
    let disk = Tmpfs::of("8m");
    let counters = || Store::open_read_only(&disk.store()).unwrap().unwrap().policy_counters("net").unwrap();
    count(&disk, "teams@sha256:a", RequestEnd::Failed, 1);
    assert!(counters().is_empty(), "nobody reads it");
    let facts = Facts { feed: Feed { facts: false, events: true }, ..Facts::default() };
    Store::open(&disk.store(), BOOT, NOW).unwrap().keep_facts(&facts).unwrap();

    let mut ledger = Store::open(&disk.store(), BOOT, NOW).unwrap().into_ledger("net").unwrap();
    ledger.attach(&container("a"), &record(&[ip("10.0.0.2")])).unwrap();
    ledger.count_for_policy("teams@sha256:a", RequestEnd::Granted { fuel: 70 }, 1).unwrap();
    ledger.commit().unwrap();
    count(&disk, "teams@sha256:a", RequestEnd::Granted { fuel: 30 }, 2);
    count(&disk, "teams@sha256:a", RequestEnd::Refused, 3);
    count(&disk, "teams@sha256:a", RequestEnd::Failed, 4);
    let counted = PolicyCounters { since: 1, granted: 2, refused: 1, failed: 1, fuel: 100 };
    assert_eq!(counters()["teams@sha256:a"], counted);
    // Half of it is undone with its lease.
    let mut ledger = Store::open(&disk.store(), BOOT, NOW).unwrap().into_ledger("net").unwrap();
    ledger.count_for_policy("teams@sha256:a", RequestEnd::Granted { fuel: 1 }, 5).unwrap();
    drop(ledger);
    assert_eq!(counters()["teams@sha256:a"], counted);

    for number in 0..9 {
        count(&disk, &format!("teams@sha256:{number}"), RequestEnd::Refused, 10 + number);
    }
    let kept: Vec<String> = counters().into_keys().collect();
    assert_eq!(kept, (1..9).map(|number| format!("teams@sha256:{number}")).collect::<Vec<_>>());
    let reader = Store::open_read_only(&disk.store()).unwrap().unwrap();
    assert_eq!(check_invariants(&reader.ledger("net").unwrap()).len(), 1);
    assert_eq!(reader.ledger("net").unwrap().attachment_count().unwrap(), 1);
    assert!(reader.policy_counters("other").unwrap().is_empty());
}
