//! What masquerade costs with 10 and with 10,000 containers: the kernel per new connection, and ADD and DEL per address.
//! `unshare --net cargo run --release --package gingham-net --example masquerade`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot be set up fails")]

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use gingham_net::address::DuplicateDetection;
use gingham_net::link::{Change, Which};
use gingham_net::masquerade::{self, MasqueradeError, Masqueraded};
use gingham_net::netlink::{Route, Socket};
use gingham_net::{address, link};

const NETWORK: &str = "measured";
const CONNECTIONS: u16 = 20_000;
const ROUNDS: usize = 9;

fn main() {
    let mut kernel = Socket::<Route>::open().unwrap();
    let lo = link::by_name(&mut kernel, "lo").unwrap().unwrap();
    link::change(&mut kernel, Which::Index(lo.index), &Change { up: Some(true), ..Change::default() }).unwrap();
    // The sender's address is masqueraded, and 192.0.2.1 is outside of its network.
    for own in ["10.244.0.2/32", "192.0.2.1/32"] {
        address::add(&mut kernel, lo.index, own.parse().unwrap(), DuplicateDetection::Off).unwrap();
    }
    println!("elements  new connection  add one    remove one");
    for count in [10, 10_000, 10, 10_000] {
        measure(count);
    }
}

fn measure(count: u32) {
    let addresses = (0..count).map(|n| IpAddr::from(Ipv4Addr::from_bits(0x0af4_0002 + n))).collect();
    let wanted = Masqueraded { addresses, within: vec!["10.244.0.0/16".parse().unwrap()] };
    let mut kernel = masquerade::open(NETWORK).unwrap();
    masquerade::restore(&mut kernel, NETWORK, |_| Ok::<_, MasqueradeError>(wanted.clone())).unwrap();
    let connection = median(|| connections() / u32::from(CONNECTIONS));
    let one = IpAddr::from([10, 244, 200, 200]);
    let more = Masqueraded { addresses: [one].into(), within: wanted.within.clone() };
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        added.push(timed(|| {
            masquerade::add(&mut kernel, NETWORK, &more).unwrap();
        }));
        removed.push(timed(|| masquerade::remove(&mut kernel, NETWORK, &[one]).unwrap()));
    }
    added.sort_unstable();
    removed.sort_unstable();
    println!("{count:>8}  {connection:>14.2?}  {:>9.2?}  {:>9.2?}", added[100], removed[100]);
}

/// Each datagram from another port is a new connection: the kernel asks the rules for it.
fn connections() -> Duration {
    let mut total = Duration::ZERO;
    for port in 1..=CONNECTIONS {
        let socket = UdpSocket::bind(("10.244.0.2", 0)).unwrap();
        total += timed(|| drop(socket.send_to(b"x", ("192.0.2.1", port))));
    }
    total
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut measure: impl FnMut() -> Duration) -> Duration {
    let mut measured: Vec<Duration> = (0..ROUNDS).map(|_| measure()).collect();
    measured.sort_unstable();
    measured[ROUNDS / 2]
}
