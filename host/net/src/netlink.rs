//! A synchronous netlink socket for a short-lived process.
//!
//! One [`Socket`] speaks one protocol ([`Route`] or [`Netfilter`]) in the network namespace it was opened in, for as
//! long as it lives. There are four ways to ask:
//!
//! - [`Socket::request`]: change something; every request is acknowledged.
//! - [`Socket::query`]: read one object.
//! - [`Socket::dump`]: read many; a dump that raced with a change is asked again.
//! - [`Socket::batch`]: several messages in one datagram, each with its own outcome. This is what an nftables
//!   transaction needs.

mod error;
pub(crate) mod message;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};
use netlink_sys::SocketAddr;
use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendFlags};

pub use error::{ErrorKind, NetlinkError};
pub use message::Message;
use message::{Meaning, Status};

/// The kernel fills dumps up to 32 KiB a datagram if the reader has room for it.
const BUFFER: usize = 32 * 1024;
/// No single answer is longer: attributes of a link with very many virtual functions stay below this.
const LARGEST_BUFFER: usize = 2 * 1024 * 1024;
/// A dump that is interrupted this often is reported instead of asked again.
const DUMP_ATTEMPTS: u32 = 32;
/// The kernel answers while the request is being sent; a wait this long means that no answer will come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A netlink protocol.
pub trait Protocol {
    /// The protocol's number, `NETLINK_*`.
    const NUMBER: isize;
    /// Whether dumps can be filtered by the kernel (`NETLINK_GET_STRICT_CHK`, a routing option).
    const STRICT_CHECK: bool;
}

/// Links, addresses and routes.
#[derive(Debug)]
pub enum Route {}

impl Protocol for Route {
    const NUMBER: isize = NETLINK_ROUTE;
    const STRICT_CHECK: bool = true;
}

/// nftables.
#[derive(Debug)]
pub enum Netfilter {}

impl Protocol for Netfilter {
    const NUMBER: isize = NETLINK_NETFILTER;
    const STRICT_CHECK: bool = false;
}

/// What became of one message of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The kernel did not answer this message: it had no `NLM_F_ACK` and went well, or was never looked at.
    Silent,
    /// Done.
    Acknowledged,
    /// Not done.
    Refused(NetlinkError),
}

/// A netlink socket in the namespace it was opened in.
#[derive(Debug)]
pub struct Socket<P> {
    kernel: netlink_sys::Socket,
    sequence: u32,
    outgoing: Vec<u8>,
    /// The datagram received last. Its capacity is the longest that can be received; what is never filled costs no memory.
    incoming: Vec<u8>,
    protocol: PhantomData<P>,
}

impl<P: Protocol> Socket<P> {
    /// Opens a socket in the calling thread's network namespace. It stays there, whatever the thread does later.
    ///
    /// # Errors
    /// The kernel has no such protocol, or no descriptor is free.
    pub fn open() -> Result<Self, NetlinkError> {
        let failed = |error: std::io::Error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            NetlinkError::refused("open a netlink socket", errno, None)
        };
        let socket = netlink_sys::Socket::new(P::NUMBER).map_err(failed)?;
        // Connected, the socket hears the kernel alone.
        socket.connect(&SocketAddr::new(0, 0)).map_err(failed)?;
        socket.set_ext_ack(true).map_err(failed)?;
        socket.set_cap_ack(true).map_err(failed)?;
        if P::STRICT_CHECK {
            // Without it, on a kernel before 4.20, dumps are longer: what is not asked for is passed over here.
            let _ = socket.set_netlink_get_strict_chk(true);
        }
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE)).map_err(|errno| failed(errno.into()))?;
        Ok(Self {
            kernel: socket,
            sequence: 0,
            outgoing: Vec::new(),
            incoming: Vec::with_capacity(BUFFER),
            protocol: PhantomData,
        })
    }

    /// Sends a change and waits for its acknowledgement.
    ///
    /// `operation` is a verb phrase for errors that reads after "cannot".
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn request(&mut self, operation: &'static str, message: &Message) -> Result<(), NetlinkError> {
        let sequence = self.send(operation, message, NLM_F_ACK)?;
        self.receive(operation, sequence, |_, _| ())
    }

    /// Asks for one object and returns the body of the answer, or `None` if the kernel acknowledged without one.
    ///
    /// # Errors
    /// The kernel's refusal; [`ErrorKind::NotFound`] if there is no such object.
    pub fn query(&mut self, operation: &'static str, message: &Message) -> Result<Option<Vec<u8>>, NetlinkError> {
        loop {
            let sequence = self.send(operation, message, NLM_F_ACK)?;
            let mut answer = None;
            let ended = self.receive(operation, sequence, |_, body| {
                answer.get_or_insert_with(|| body.to_vec());
            });
            match ended {
                Err(error) if self.grown_after(&error) => {}
                ended => return ended.map(|()| answer),
            }
        }
    }

    /// Asks for many objects and returns what `each` makes of the answers' types and bodies. If the kernel says that
    /// the list changed while it was read, it is read again from the start.
    ///
    /// # Errors
    /// The kernel's refusal; [`ErrorKind::Changing`] if the list never stands still.
    pub fn dump<T>(
        &mut self,
        operation: &'static str,
        message: &Message,
        mut each: impl FnMut(u16, &[u8]) -> Option<T>,
    ) -> Result<Vec<T>, NetlinkError> {
        for _ in 0..DUMP_ATTEMPTS {
            let sequence = self.send(operation, message, NLM_F_DUMP)?;
            let mut found = Vec::new();
            let ended = self.receive(operation, sequence, |message_type, body| found.extend(each(message_type, body)));
            match ended {
                Ok(()) => return Ok(found),
                Err(error) if error.kind == ErrorKind::Changing || self.grown_after(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(NetlinkError {
            operation,
            kind: ErrorKind::Changing,
            errno: Some(Errno::INTR),
            kernel_says: Some(format!("the list changed during each of {DUMP_ATTEMPTS} readings")),
        })
    }

    /// Sends several messages as one datagram and returns the outcome of each, in their order.
    ///
    /// The messages go out as they are but for `NLM_F_REQUEST`; set [`NLM_F_ACK`] where an acknowledgement is wanted.
    /// For nftables the first and last message are `NFNL_MSG_BATCH_BEGIN` and `_END`: then all or none takes effect,
    /// and a refusal of the whole (no privilege, a failed commit) is the outcome of the first message. Without them
    /// each message stands alone and a refused one does not stop those after it.
    ///
    /// # Errors
    /// The datagram could not be sent or an answer could not be read; refusals are in the outcomes.
    pub fn batch(&mut self, operation: &'static str, messages: &[Message]) -> Result<Vec<Outcome>, NetlinkError> {
        self.outgoing.clear();
        let first = self.sequence.wrapping_add(1);
        for message in messages {
            self.sequence = self.sequence.wrapping_add(1);
            message.write(0, self.sequence, &mut self.outgoing);
        }
        self.transmit(operation)?;
        let mut outcomes = vec![Outcome::Silent; messages.len()];
        // The kernel works through the datagram while it is being sent, so whatever it has to say is there already.
        while self.receive_datagram(operation, RecvFlags::DONTWAIT)? {
            for received in message::split(&self.incoming) {
                let received = received.ok_or_else(|| malformed(operation))?;
                let index = usize::try_from(received.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                let (Some(Meaning::Finished(status)), Some(outcome)) = (received.meaning(), outcomes.get_mut(index))
                else {
                    continue;
                };
                // A transaction may be acknowledged message by message and then fail as a whole: the first word stays
                // unless a refusal follows it.
                if *outcome == Outcome::Silent || status.errno.is_some() {
                    *outcome = finish(operation, &status).map_or_else(Outcome::Refused, |()| Outcome::Acknowledged);
                }
            }
        }
        Ok(outcomes)
    }

    /// Joins a multicast group (`RTNLGRP_*`), for [`Socket::wait`].
    ///
    /// # Errors
    /// The kernel has no such group.
    pub fn subscribe(&mut self, operation: &'static str, group: u32) -> Result<(), NetlinkError> {
        self.kernel
            .add_membership(group)
            .map_err(|error| NetlinkError::refused(operation, Errno::from_io_error(&error).unwrap_or(Errno::IO), None))
    }

    /// Sleeps until a subscribed group has news, which are dropped: look at the object itself. Returns whether there
    /// were any within `patience`.
    ///
    /// # Errors
    /// The socket broke.
    pub fn wait(&mut self, operation: &'static str, patience: Duration) -> Result<bool, NetlinkError> {
        set_socket_timeout(&self.kernel, Timeout::Recv, Some(patience.max(Duration::from_millis(1))))
            .map_err(|errno| NetlinkError::refused(operation, errno, None))?;
        match self.receive_datagram(operation, RecvFlags::empty()) {
            Ok(news) => Ok(news),
            // More news than the socket could hold are news.
            Err(error) if is_truncation(&error) || error.errno == Some(Errno::NOBUFS) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn send(&mut self, operation: &'static str, message: &Message, extra_flags: u16) -> Result<u32, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        self.outgoing.clear();
        message.write(extra_flags, self.sequence, &mut self.outgoing);
        self.transmit(operation)?;
        Ok(self.sequence)
    }

    fn transmit(&self, operation: &'static str) -> Result<(), NetlinkError> {
        let sent = rustix::io::retry_on_intr(|| rustix::net::send(&self.kernel, &self.outgoing, SendFlags::empty()))
            .map_err(|errno| NetlinkError::refused(operation, errno, None))?;
        if sent == self.outgoing.len() {
            Ok(())
        } else {
            Err(NetlinkError::bad_answer(operation, format!("only {sent} of {} bytes were sent", self.outgoing.len())))
        }
    }

    /// Reads until the message that ends the answer to `sequence`; answers to earlier requests are passed over.
    fn receive(
        &mut self,
        operation: &'static str,
        sequence: u32,
        mut each: impl FnMut(u16, &[u8]),
    ) -> Result<(), NetlinkError> {
        // What makes the answer useless. It is read to its end nevertheless, or the rest would meet the next request.
        let mut spoilt = None;
        loop {
            match self.receive_datagram(operation, RecvFlags::empty()) {
                Ok(true) => {}
                Ok(false) => return Err(NetlinkError::bad_answer(operation, "the kernel did not answer")),
                Err(error) if is_truncation(&error) => {
                    spoilt = Some(error);
                    continue;
                }
                Err(error) => return Err(error),
            }
            if let Some(ended) = digest(operation, sequence, &self.incoming, &mut spoilt, &mut each) {
                return ended;
            }
        }
    }

    /// Receives the next datagram; `false` if none comes.
    fn receive_datagram(&mut self, operation: &'static str, flags: RecvFlags) -> Result<bool, NetlinkError> {
        self.incoming.clear();
        let received = rustix::io::retry_on_intr(|| {
            rustix::net::recv(&self.kernel, spare_capacity(&mut self.incoming), flags | RecvFlags::TRUNC)
        });
        match received {
            Ok((_, length)) if length > self.incoming.capacity() => Err(truncated(operation, length)),
            Ok(_) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(errno) => Err(NetlinkError::refused(operation, errno, None)),
        }
    }

    /// Whether `error` was an answer too long for the buffer, which then has grown so that asking again helps.
    fn grown_after(&mut self, error: &NetlinkError) -> bool {
        let capacity = self.incoming.capacity();
        let grows = is_truncation(error) && capacity < LARGEST_BUFFER;
        if grows {
            self.incoming = Vec::with_capacity(capacity * 4);
        }
        grows
    }
}

impl<P> AsFd for Socket<P> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.kernel.as_fd()
    }
}

/// Works through one datagram of the answer to `sequence` and says how the answer ended, if it did. `spoilt` is what made
/// it useless so far.
fn digest(
    operation: &'static str,
    sequence: u32,
    datagram: &[u8],
    spoilt: &mut Option<NetlinkError>,
    each: &mut impl FnMut(u16, &[u8]),
) -> Option<Result<(), NetlinkError>> {
    for received in message::split(datagram) {
        let Some(received) = received else { return Some(Err(malformed(operation))) };
        if received.sequence != sequence {
            continue;
        }
        if received.interrupted() {
            spoilt.get_or_insert_with(|| changing(operation));
        }
        match received.meaning() {
            None => return Some(Err(malformed(operation))),
            Some(Meaning::Data) => each(received.message_type, received.body),
            Some(Meaning::Finished(status)) => {
                let ended = finish(operation, &status);
                return Some(ended.and_then(|()| spoilt.take().map_or(Ok(()), Err)));
            }
        }
    }
    None
}

fn finish(operation: &'static str, status: &Status<'_>) -> Result<(), NetlinkError> {
    match status.errno {
        None => Ok(()),
        Some(errno) => Err(NetlinkError::refused(operation, errno, status.sentence.map(str::to_owned))),
    }
}

fn malformed(operation: &'static str) -> NetlinkError {
    NetlinkError::bad_answer(operation, "the kernel's answer is malformed")
}

fn changing(operation: &'static str) -> NetlinkError {
    NetlinkError { operation, kind: ErrorKind::Changing, errno: None, kernel_says: None }
}

fn truncated(operation: &'static str, length: usize) -> NetlinkError {
    NetlinkError::refused(operation, Errno::OVERFLOW, Some(format!("an answer of {length} bytes did not fit")))
}

fn is_truncation(error: &NetlinkError) -> bool {
    error.errno == Some(Errno::OVERFLOW)
}
