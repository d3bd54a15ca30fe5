//! What happens when many see to a network's masquerade at once, or change other rulesets meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};

use super::tests::{namespace, net, nets, open_in, rules};
use super::*;
use crate::netns::NetNs;

fn ensure_at_once(
    namespace: &NetNs,
    count: usize,
    guarded: usize,
    prefixes: impl Fn(usize) -> Vec<IpNet> + Sync,
) -> Vec<Outcome> {
    let start = std::sync::Barrier::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|n| {
                let (start, prefixes) = (&start, &prefixes);
                scope.spawn(move || {
                    let mut socket = open_in(namespace);
                    start.wait();
                    ensure_guarded(&mut socket, "mynet", &prefixes(n), guarded).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn fifty_at_once_make_one_rule_in_one_transaction() {
    for _ in 0..5 {
        let (namespace, mut socket) = namespace();
        let outcomes = ensure_at_once(&namespace, 50, GUARDED_ATTEMPTS, |_| nets(["10.244.0.0/16"]));
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Installed).count(), 1);
        assert_eq!(rules(&mut socket).len(), 1);
        assert_eq!(list(&mut socket, "mynet"), Ok(nets(["10.244.0.0/16"])));
    }
}

#[test]
fn without_the_guard_too_one_rule_is_left() {
    for _ in 0..5 {
        let (namespace, mut socket) = namespace();
        ensure_at_once(&namespace, 20, 0, |_| nets(["10.244.0.0/16"]));
        assert_eq!(rules(&mut socket).len(), 1);
        assert_eq!(list(&mut socket, "mynet"), Ok(nets(["10.244.0.0/16"])));
    }
}

#[test]
fn fifty_at_once_lose_none_of_fifty_prefixes() {
    let (namespace, mut socket) = namespace();
    let mine = |n: usize| net(&format!("10.{n}.0.0/16"));
    ensure_at_once(&namespace, 50, GUARDED_ATTEMPTS, |n| vec![mine(n), mine((n + 1) % 50)]);
    let mut listed = list(&mut socket, "mynet").unwrap();
    listed.sort_unstable();
    assert_eq!(listed, (0..50).map(mine).collect::<Vec<_>>());
    assert_eq!(rules(&mut socket).len(), 50);
}

/// Says so when it goes away, in a panic too.
struct Running<'a>(&'a AtomicBool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn others_who_never_stop_changing_rulesets_do_not_keep_us_out() {
    const OTHERS: usize = 2;
    let (namespace, mut socket) = namespace();
    let running = AtomicBool::new(true);
    let started = std::sync::Barrier::new(OTHERS + 1);
    std::thread::scope(|scope| {
        let _running = Running(&running);
        for other in 0..OTHERS {
            let (namespace, running, started) = (&namespace, &running, &started);
            scope.spawn(move || {
                let mut socket = open_in(namespace);
                let table = format!("busy{other}");
                started.wait();
                while running.load(Ordering::Relaxed) {
                    let mut transaction = Transaction::of_table(&table, None);
                    transaction.add_table();
                    transaction.delete_table();
                    transaction.commit(&mut socket).unwrap();
                }
            });
        }
        started.wait();
        for n in 0..30 {
            assert_eq!(ensure(&mut socket, "mynet", &[net(&format!("10.{n}.0.0/16"))]), Ok(Outcome::Installed));
        }
    });
    assert_eq!(list(&mut socket, "mynet").unwrap().len(), 30);
    assert_eq!(rules(&mut socket).len(), 30);
}
