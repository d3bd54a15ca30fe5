//! Netlink messages as bytes: what is sent, and what comes back.

use netlink_packet_core::{
    NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkSerializable,
};
use rustix::io::Errno;

const HEADER_LENGTH: usize = 16;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// A request: everything of a netlink message but what the socket fills in (length, sequence and port number).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The message type: `RTM_NEWLINK`, or subsystem and type for netfilter.
    pub message_type: u16,
    /// `NLM_F_*` flags. The socket adds `REQUEST`, and `ACK` or `DUMP` by the way it is sent.
    pub flags: u16,
    /// The family's header and attributes, aligned to 4 bytes.
    pub body: Vec<u8>,
}

impl Message {
    /// The bytes of a typed message.
    pub fn of<M: NetlinkSerializable>(message: &M, flags: u16) -> Self {
        let mut body = vec![0; message.buffer_len()];
        message.serialize(&mut body);
        Self { message_type: message.message_type(), flags, body }
    }

    /// Appends the whole message, padded to the alignment the next one needs.
    pub(super) fn write(&self, extra_flags: u16, sequence: u32, into: &mut Vec<u8>) {
        // No message of ours comes near 4 GiB; a longer one would be refused by the kernel for its length.
        let length = u32::try_from(HEADER_LENGTH + self.body.len()).unwrap_or(u32::MAX);
        into.extend_from_slice(&length.to_ne_bytes());
        into.extend_from_slice(&self.message_type.to_ne_bytes());
        into.extend_from_slice(&(self.flags | NLM_F_REQUEST | extra_flags).to_ne_bytes());
        into.extend_from_slice(&sequence.to_ne_bytes());
        into.extend_from_slice(&0_u32.to_ne_bytes());
        into.extend_from_slice(&self.body);
        into.resize(into.len().next_multiple_of(4), 0);
    }
}

/// One message of a received datagram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received<'a> {
    pub(super) message_type: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    pub(super) body: &'a [u8],
}

impl<'a> Received<'a> {
    /// Whether a change during a dump made the answer inconsistent.
    pub(super) fn interrupted(&self) -> bool {
        self.flags & NLM_F_DUMP_INTR != 0
    }

    /// What this message means for the request it answers; `None` if its length does not fit its type.
    pub(super) fn meaning(&self) -> Option<Meaning<'a>> {
        match self.message_type {
            NLMSG_ERROR => {
                let status = Status::parse(self.body, |body| self.extended_attributes(body))?;
                Some(Meaning::Finished(status))
            }
            // The kernel may leave out the code of a dump that went well.
            NLMSG_DONE if self.body.is_empty() => Some(Meaning::Finished(Status { errno: None, sentence: None })),
            NLMSG_DONE => Some(Meaning::Finished(Status::parse(self.body, |body| self.attributes_if_any(&body[4..]))?)),
            _ => Some(Meaning::Data),
        }
    }

    /// The attributes after an `nlmsgerr`, which repeats the request's header and, unless capped, its body.
    fn extended_attributes(&self, body: &'a [u8]) -> &'a [u8] {
        let repeated = if self.flags & NLM_F_CAPPED == 0 {
            body.get(4..8).and_then(|length| length.try_into().ok()).map_or(usize::MAX, |length| {
                usize::try_from(u32::from_ne_bytes(length)).unwrap_or(usize::MAX).saturating_add(3) & !3
            })
        } else {
            HEADER_LENGTH
        };
        self.attributes_if_any(body.get(repeated.saturating_add(4)..).unwrap_or_default())
    }

    fn attributes_if_any(&self, attributes: &'a [u8]) -> &'a [u8] {
        if self.flags & NLM_F_ACK_TLVS == 0 { &[] } else { attributes }
    }
}

/// What a received message means for its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// A piece of the answer: the body is the family's.
    Data,
    /// The last message of the answer.
    Finished(Status<'a>),
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status<'a> {
    /// `None` for success.
    pub(super) errno: Option<Errno>,
    /// The kernel's sentence, which may come with success too (a warning).
    pub(super) sentence: Option<&'a str>,
}

impl<'a> Status<'a> {
    fn parse(body: &'a [u8], attributes: impl FnOnce(&'a [u8]) -> &'a [u8]) -> Option<Self> {
        let code = i32::from_ne_bytes(body.get(..4)?.try_into().ok()?);
        let errno = match code {
            0.. => None,
            // The kernel has no other error numbers, and rustix accepts none.
            -4095..0 => Some(Errno::from_raw_os_error(-code)),
            _ => return None,
        };
        Some(Self { errno, sentence: sentence(attributes(body)) })
    }
}

fn sentence(attributes: &[u8]) -> Option<&str> {
    attributes_of(attributes).find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG).and_then(|(_, value)| text(value))
}

/// The attributes (type without flag bits, value) of a body after its fixed header. A malformed rest ends the walk.
pub(crate) fn attributes_of(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?);
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & netlink_packet_core::NLA_TYPE_MASK, value))
    })
}

/// An attribute composed by hand, for tests that compare bytes.
#[cfg(test)]
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap();
    let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A number in the machine's byte order.
pub(crate) fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

/// A NUL-terminated string attribute.
pub(crate) fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value.split(|byte| *byte == 0).next()?).ok()
}

/// Splits what was received into messages. A message whose length does not fit ends the walk with `None`.
pub(super) fn split(datagram: &[u8]) -> impl Iterator<Item = Option<Received<'_>>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let received = first(rest);
        rest = received.map_or(&[], |received| {
            rest.get((HEADER_LENGTH + received.body.len()).next_multiple_of(4)..).unwrap_or_default()
        });
        Some(received)
    })
}

fn first(bytes: &[u8]) -> Option<Received<'_>> {
    let header: &[u8; HEADER_LENGTH] = bytes.first_chunk()?;
    let half = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
    let word = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let body = bytes.get(HEADER_LENGTH..usize::try_from(word(0)).ok()?)?;
    Some(Received { message_type: half(4), flags: half(6), sequence: word(8), body })
}
