//! Whether packets pass between two network namespaces: a UDP datagram there and back.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gingham_net::netns::{NetNs, NetnsError};

/// After which another datagram is sent.
const ATTEMPT: Duration = Duration::from_millis(250);

/// Between two datagrams of a stream.
const PERIOD: Duration = Duration::from_millis(50);

/// When a datagram of a stream counts as lost.
const LOST: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub(crate) enum EchoError {
    #[error("no answer came within {:.1} s", .0.as_secs_f32())]
    Silence(Duration),
    #[error("cannot open a UDP socket at {address}: {source}")]
    Open { address: IpAddr, source: io::Error },
    #[error("cannot send a UDP datagram to {target}: {source}")]
    Send { target: SocketAddr, source: io::Error },
    #[error("cannot receive a UDP datagram: {0}")]
    Receive(io::Error),
    #[error(transparent)]
    Namespace(#[from] NetnsError),
}

/// A socket in each of the two namespaces. This process has both: no thread has to answer.
pub(super) struct UdpEcho {
    client: UdpSocket,
    server: UdpSocket,
    target: SocketAddr,
    sequence: u32,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stream {
    pub(super) sent: u32,
    pub(super) answered: u32,
    /// The longest time that an answer took.
    pub(super) longest: Duration,
}

impl UdpEcho {
    /// Of an address that an interface in `to` has.
    pub(super) fn open(from: &NetNs, to: &NetNs, target: IpAddr) -> Result<Self, EchoError> {
        let bind = |address| UdpSocket::bind((address, 0)).map_err(|source| EchoError::Open { address, source });
        let server = to.enter(|| bind(target))??;
        let target = server.local_addr().map_err(EchoError::Receive)?;
        let any = if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { IpAddr::from(Ipv6Addr::UNSPECIFIED) };
        let client = from.enter(|| bind(any))??;
        client.connect(target).map_err(|source| EchoError::Send { target, source })?;
        Ok(Self { client, server, target, sequence: 0 })
    }

    /// Sends datagrams until one comes back, and returns how long that one took.
    pub(super) fn ping(&mut self, timeout: Duration) -> Result<Duration, EchoError> {
        let start = Instant::now();
        loop {
            if let Some(time) = self.exchange(ATTEMPT)? {
                return Ok(time);
            }
            if start.elapsed() >= timeout {
                return Err(EchoError::Silence(timeout));
            }
        }
    }

    /// Sends a datagram every [`PERIOD`] until the end.
    pub(super) fn stream(&mut self, is_over: &AtomicBool) -> Result<Stream, EchoError> {
        let mut stream = Stream::default();
        while !is_over.load(Ordering::Relaxed) {
            let sent = Instant::now();
            stream.sent += 1;
            if let Some(time) = self.exchange(LOST)? {
                stream.answered += 1;
                stream.longest = stream.longest.max(time);
            }
            std::thread::sleep(PERIOD.saturating_sub(sent.elapsed()));
        }
        Ok(stream)
    }

    fn exchange(&mut self, timeout: Duration) -> Result<Option<Duration>, EchoError> {
        self.sequence += 1;
        let sent = Instant::now();
        match self.client.send(&self.sequence.to_be_bytes()) {
            Err(source) if !is_of_an_earlier_datagram(&source) => {
                return Err(EchoError::Send { target: self.target, source });
            }
            _ => {}
        }
        let Some(sender) = receive(&self.server, self.sequence, sent + timeout)? else { return Ok(None) };
        self.server
            .send_to(&self.sequence.to_be_bytes(), sender)
            .map_err(|source| EchoError::Send { target: sender, source })?;
        Ok(receive(&self.client, self.sequence, sent + timeout)?.map(|_| sent.elapsed()))
    }
}

/// Waits for the datagram with a sequence number; earlier ones may still be on their way.
fn receive(socket: &UdpSocket, sequence: u32, deadline: Instant) -> Result<Option<SocketAddr>, EchoError> {
    let mut datagram = [0; 4];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left)).map_err(EchoError::Receive)?;
        match socket.recv_from(&mut datagram) {
            Ok((4, sender)) if datagram == sequence.to_be_bytes() => return Ok(Some(sender)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted || is_of_an_earlier_datagram(&error) => {}
            Err(error) => return Err(EchoError::Receive(error)),
        }
    }
}

/// The kernel reports late that nobody had the address, or that its neighbour did not answer. Perhaps it does soon.
fn is_of_an_earlier_datagram(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::HostUnreachable | io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_answers() {
        let namespace = NetNs::create().unwrap();
        let up = || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            let mut kernel = gingham_net::netlink::Socket::<gingham_net::netlink::Route>::open()?;
            let change = gingham_net::link::Change { up: Some(true), ..Default::default() };
            Ok(gingham_net::link::change(&mut kernel, gingham_net::link::Which::Name("lo"), &change)?)
        };
        namespace.enter(up).unwrap().unwrap();
        for target in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let mut echo = UdpEcho::open(&namespace, &namespace, target).unwrap();
            assert!(echo.ping(Duration::from_secs(5)).unwrap() < ATTEMPT);
            assert!(echo.stream(&AtomicBool::new(true)).unwrap().sent == 0);
        }
        let missing = UdpEcho::open(&namespace, &namespace, "192.0.2.1".parse().unwrap());
        assert!(matches!(missing.err(), Some(EchoError::Open { .. })));
    }

    #[test]
    fn another_namespace_does_not_answer() {
        let [one, other] = [NetNs::create().unwrap(), NetNs::create().unwrap()];
        let target = IpAddr::from(Ipv4Addr::LOCALHOST);
        let no_route = UdpEcho::open(&one, &other, target);
        assert!(no_route.is_err(), "the interfaces are down");
    }
}
