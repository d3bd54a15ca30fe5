//! Ping, by a raw socket: a fresh machine has no such program.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gingham_net::netns::{NetNs, NetnsError};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};

/// How long an answer is waited for before another echo request is sent.
const ATTEMPT: Duration = Duration::from_millis(250);

/// Between two echo requests of a stream.
const PERIOD: Duration = Duration::from_millis(50);

/// When an echo request of a stream counts as lost.
const LOST: Duration = Duration::from_secs(1);

/// What an echo reply starts with and where: after IPv4's header, which raw sockets of IPv4 hand over.
const REPLY_V4: u8 = 0;
const REPLY_V6: u8 = 129;

/// No answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PingError {
    #[error("no answer came within {:.1} s", .0.as_secs_f32())]
    Silence(Duration),
    #[error("cannot {operation}: {source}")]
    Refused { operation: &'static str, source: Errno },
    #[error(transparent)]
    Namespace(#[from] NetnsError),
}

/// Sends echo requests from a namespace until one is answered; says how long that one took.
pub(super) fn ping(from: &NetNs, target: IpAddr, patience: Duration) -> Result<Duration, PingError> {
    let socket = from.enter(|| open(target))??;
    let start = Instant::now();
    for sequence in 1.. {
        let sent = Instant::now();
        match rustix::net::send(&socket, &request(target, sequence), SendFlags::empty()) {
            // An earlier request's fate, reported now.
            Ok(_) | Err(Errno::HOSTUNREACH) => {}
            Err(source) => return Err(PingError::Refused { operation: "send an echo request", source }),
        }
        if answered(&socket, target, sequence, sent + ATTEMPT)? {
            return Ok(sent.elapsed());
        }
        if start.elapsed() >= patience {
            break;
        }
    }
    Err(PingError::Silence(patience))
}

/// What became of echo requests that were sent one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stream {
    pub(super) sent: u32,
    pub(super) answered: u32,
    /// The longest time that an answer took.
    pub(super) longest: Duration,
}

/// Sends an echo request every [`PERIOD`] until it is told to end. One without answer for [`LOST`] is lost.
pub(super) fn stream(from: &NetNs, target: IpAddr, is_over: &AtomicBool) -> Result<Stream, PingError> {
    let socket = from.enter(|| open(target))??;
    let mut stream = Stream::default();
    let mut sequence: u16 = 0;
    while !is_over.load(Ordering::Relaxed) {
        sequence = sequence.wrapping_add(1);
        let sent = Instant::now();
        stream.sent += 1;
        match rustix::net::send(&socket, &request(target, sequence), SendFlags::empty()) {
            Ok(_) | Err(Errno::HOSTUNREACH) => {}
            Err(source) => return Err(PingError::Refused { operation: "send an echo request", source }),
        }
        if answered(&socket, target, sequence, sent + LOST)? {
            stream.answered += 1;
            stream.longest = stream.longest.max(sent.elapsed());
        }
        std::thread::sleep(PERIOD.saturating_sub(sent.elapsed()));
    }
    Ok(stream)
}

fn open(target: IpAddr) -> Result<OwnedFd, PingError> {
    let refused = |operation| move |source| PingError::Refused { operation, source };
    let (family, protocol) = match target {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let socket = rustix::net::socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol))
        .map_err(refused("open a raw ICMP socket"))?;
    rustix::net::connect(&socket, &SocketAddr::new(target, 0)).map_err(refused("find a route"))?;
    Ok(socket)
}

/// Type, code, checksum, identity, sequence number. The kernel fills in the checksum of `ICMPv6`.
fn request(target: IpAddr, sequence: u16) -> [u8; 8] {
    let kind = if target.is_ipv4() { 8 } else { 128 };
    let [sequence_high, sequence_low] = sequence.to_be_bytes();
    let [identity_high, identity_low] = identity();
    let mut message = [kind, 0, 0, 0, identity_high, identity_low, sequence_high, sequence_low];
    if target.is_ipv4() {
        [message[2], message[3]] = checksum(message).to_be_bytes();
    }
    message
}

fn identity() -> [u8; 2] {
    let [.., high, low] = std::process::id().to_be_bytes();
    [high, low]
}

/// The one's complement of the one's complement sum of all 16-bit words.
fn checksum(message: [u8; 8]) -> u16 {
    let words = message.chunks_exact(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let [_, _, high, low] = (!folded).to_be_bytes();
    u16::from_be_bytes([high, low])
}

fn answered(socket: &OwnedFd, target: IpAddr, sequence: u16, until: Instant) -> Result<bool, PingError> {
    let refused = |source| PingError::Refused { operation: "receive an echo reply", source };
    let mut buffer = [0; 2048];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        // Zero would mean for ever.
        let left = left.max(Duration::from_millis(1));
        set_socket_timeout(socket, Timeout::Recv, Some(left)).map_err(refused)?;
        match rustix::net::recv(socket, &mut buffer, RecvFlags::empty()) {
            Ok((length, _)) if is_reply(&buffer[..length.min(buffer.len())], target, sequence) => return Ok(true),
            // Unreachable: nobody has the address yet; perhaps soon.
            Ok(_) | Err(Errno::INTR | Errno::HOSTUNREACH) => {}
            Err(Errno::AGAIN) => return Ok(false),
            Err(source) => return Err(refused(source)),
        }
    }
}

fn is_reply(packet: &[u8], target: IpAddr, sequence: u16) -> bool {
    let (header, kind) = match target {
        IpAddr::V4(_) => (packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4), REPLY_V4),
        IpAddr::V6(_) => (0, REPLY_V6),
    };
    let Some([found, 0, _, _, rest @ ..]) = packet.get(header..header + 8) else { return false };
    *found == kind && rest[..2] == identity() && rest[2..4] == sequence.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn the_sum_over_a_message_with_its_checksum_is_zero() {
        for sequence in [1, 77, u16::MAX] {
            assert_eq!(checksum(request(Ipv4Addr::LOCALHOST.into(), sequence)), 0);
        }
    }

    #[test]
    fn only_the_answer_to_this_request_counts() {
        let target: IpAddr = Ipv4Addr::LOCALHOST.into();
        let packet = |kind: u8, sequence: u16| {
            let mut packet = vec![0x45; 20];
            packet.extend(request(target, sequence));
            packet[20] = kind;
            packet
        };
        assert!(is_reply(&packet(0, 7), target, 7));
        assert!(!is_reply(&packet(0, 6), target, 7));
        assert!(!is_reply(&packet(8, 7), target, 7), "our own request, come back");
        for length in 0..28 {
            assert!(!is_reply(&packet(0, 7)[..length], target, 7), "cut at {length}");
        }
    }

    #[test]
    fn loopback_answers_and_nobody_does_not() {
        let namespace = NetNs::create().unwrap();
        let up = || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            let mut kernel = gingham_net::netlink::Socket::<gingham_net::netlink::Route>::open()?;
            let change = gingham_net::link::Change { up: Some(true), ..Default::default() };
            Ok(gingham_net::link::change(&mut kernel, gingham_net::link::Which::Name("lo"), &change)?)
        };
        namespace.enter(up).unwrap().unwrap();
        let patience = Duration::from_secs(5);
        for target in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            assert!(ping(&namespace, target, patience).unwrap() < ATTEMPT);
        }
        let nobody = "192.0.2.1".parse().unwrap();
        assert!(matches!(ping(&namespace, nobody, patience), Err(PingError::Refused { .. })));
    }
}
