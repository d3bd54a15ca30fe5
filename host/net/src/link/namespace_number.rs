//! Numbers of network namespaces: [`Link::peer_netns`](super::Link::peer_netns) is one.

use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};

use crate::NetError;
use crate::netlink::{Message, Route, Socket};
use crate::netns::NetNs;

/// `NETNSA_NSID`, which netlink-packet-route reads in whole messages only.
const NUMBER: u16 = 1;

/// The number that the namespace of `kernel` has given to another one; -1 if it has given none. None if the kernel does not
/// say.
///
/// # Errors
/// The kernel refuses.
pub fn namespace_number(kernel: &mut Socket<Route>, namespace: &NetNs) -> Result<Option<i32>, NetError> {
    let mut message = NsidMessage::default();
    message.attributes.push(NsidAttribute::Fd(namespace.as_fd().as_raw_fd().unsigned_abs()));
    let answer = kernel
        .query("look up", &Message::of(&RouteNetlinkMessage::GetNsId(message), 0))
        .map_err(|source| NetError::Kernel { object: "the number of a network namespace".to_owned(), source })?;
    Ok(answer.as_deref().and_then(number_in))
}

/// A header of four bytes, then attributes: length, kind, value.
fn number_in(body: &[u8]) -> Option<i32> {
    let mut rest = body.get(4..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        if kind == NUMBER {
            return Some(i32::from_ne_bytes(*rest.get(4..)?.first_chunk()?));
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
}
