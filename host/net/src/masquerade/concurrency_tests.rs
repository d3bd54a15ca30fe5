//! Concurrent changes of a network's masquerade and of other rulesets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};

use super::tests::{ip, namespace, net, of, open_in, restore_to, rules};
use super::*;

#[test]
fn fifty_at_once_make_one_rule_and_lose_no_address() {
    for _ in 0..5 {
        let (namespace, mut socket) = namespace();
        let start = Barrier::new(50);
        std::thread::scope(|scope| {
            for n in 0..50 {
                let (start, namespace) = (&start, &namespace);
                scope.spawn(move || {
                    let mut socket = open_in(namespace);
                    let mine = of(&[&format!("10.{n}.0.2")], &[&format!("10.{n}.0.0/16")]);
                    start.wait();
                    if add(&mut socket, "mynet", &mine).unwrap() == Outcome::Incomplete {
                        restore_to(&mut socket, "mynet", &mine).unwrap();
                    }
                });
            }
        });
        assert_eq!(rules(&mut socket).len(), 1);
        assert_eq!(list(&mut socket, "mynet").unwrap().len(), 50);
        let network = network_of(&mut socket, "gingham-mynet", Family::V4).unwrap();
        assert!((0..50).all(|n| network.cover(&Intervals::of(Family::V4, &[net(&format!("10.{n}.0.0/16"))]))));
    }
}

/// As ADDs and DELs do it: recorded before it is added, ended under the lock before the record goes. Another process
/// flushes meanwhile.
#[test]
fn comers_and_goers_leave_what_is_recorded() {
    let (namespace, mut socket) = namespace();
    let records = Mutex::new(of(&[], &["10.0.0.0/8"]));
    let lock = Mutex::new(());
    let restored = |socket: &mut Socket<Netfilter>| {
        let _lock = lock.lock().unwrap();
        restore(socket, "mynet", |_| Ok::<_, MasqueradeError>(records.lock().unwrap().clone())).unwrap();
    };
    std::thread::scope(|scope| {
        for worker in 0..8_u8 {
            let (namespace, records, lock, restored) = (&namespace, &records, &lock, &restored);
            scope.spawn(move || {
                let mut socket = open_in(namespace);
                for round in 0..60_u8 {
                    let address = IpAddr::from([10, 0, worker, round]);
                    records.lock().unwrap().addresses.insert(address);
                    let mine = Masqueraded { addresses: [address].into(), within: vec![net("10.0.0.0/8")] };
                    if add(&mut socket, "mynet", &mine).unwrap() == Outcome::Incomplete {
                        restored(&mut socket);
                    }
                    if round % 3 != 0 {
                        let _lock = lock.lock().unwrap();
                        remove(&mut socket, "mynet", &[address]).unwrap();
                        records.lock().unwrap().addresses.remove(&address);
                    }
                    if round % 20 == 19 && worker == 0 {
                        let mut transaction = Transaction::of_table("gingham-mynet", None);
                        transaction.delete_table();
                        // No other thread deletes it.
                        transaction.commit(&mut socket).unwrap();
                        restored(&mut socket);
                    }
                }
            });
        }
    });
    restored(&mut socket);
    let records = records.into_inner().unwrap();
    assert_eq!(records.addresses.len(), 8 * 20);
    assert!(records.addresses.contains(&ip("10.0.7.0")));
    assert_eq!(list(&mut socket, "mynet").unwrap(), records.addresses.into_iter().collect::<Vec<_>>());
    assert_eq!(rules(&mut socket).len(), 1);
}

/// The last one takes the unused table away, and the first one of the next comes at the same time.
#[test]
fn an_address_that_was_added_is_never_lost_with_an_unused_table() {
    let (namespace, mut socket) = namespace();
    let running = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let (namespace, running) = (&namespace, &running);
        let ended = Running(running);
        scope.spawn(move || {
            let mut socket = open_in(namespace);
            while running.load(Ordering::Relaxed) {
                remove_unused(&mut socket, "mynet").unwrap();
            }
        });
        let mine = of(&["10.0.0.2"], &["10.0.0.0/8"]);
        for _ in 0..300 {
            if add(&mut socket, "mynet", &mine).unwrap() == Outcome::Incomplete {
                restore_to(&mut socket, "mynet", &mine).unwrap();
            }
            assert_eq!(covers(&mut socket, "mynet", ip("10.0.0.2")), Ok(true));
            remove(&mut socket, "mynet", &[ip("10.0.0.2")]).unwrap();
        }
        drop(ended);
    });
}

/// Stops the other threads when it is dropped, also by a panic.
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
    let started = Barrier::new(OTHERS + 1);
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
            let wanted = of(&[&format!("10.{n}.0.2")], &[&format!("10.{n}.0.0/16")]);
            assert_eq!(restore_to(&mut socket, "mynet", &wanted), Ok(Outcome::Installed));
        }
    });
    assert_eq!(list(&mut socket, "mynet").unwrap().len(), 30);
    assert_eq!(rules(&mut socket).len(), 1);
}
