//! Netlink attributes as nftables wants them: numbers in network byte order, nests marked as such.

use netlink_packet_core::NLA_F_NESTED;

use crate::netlink::message::attributes_of;

const HEADER: usize = 4;

/// Attributes in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes(Vec<u8>);

impl Attributes {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds bytes as they are.
    pub(crate) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        // A longer one cannot be said; the kernel refuses the message. Rules and names have some hundred bytes.
        let length = u16::try_from(HEADER + value.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Adds a number.
    pub(crate) fn number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Adds a handle, a number of 64 bits.
    pub(crate) fn handle(self, kind: u16, value: u64) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Adds a text, which ends with a NUL.
    pub(crate) fn text(self, kind: u16, value: &str) -> Self {
        self.bytes(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// Adds attributes as one.
    pub(crate) fn nest(self, kind: u16, inner: &Self) -> Self {
        self.bytes(kind | NLA_F_NESTED, &inner.0)
    }

    /// What goes into a message.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether each of the wanted attributes is among those shown.
pub(crate) fn includes(shown: &[u8], wanted: &[u8]) -> bool {
    attributes_of(wanted).all(|attribute| attributes_of(shown).any(|shown| shown == attribute))
}

/// The value of the first attribute of this kind.
pub(crate) fn value_of(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes_of(attributes).find(|(shown, _)| *shown == kind).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attribute_begins_at_a_multiple_of_four() {
        let attributes = Attributes::new().text(1, "nat").bytes(2, &[7]).number(3, 0x0102_0304);
        #[rustfmt::skip]
        let expected = [
            &8_u16.to_ne_bytes()[..], &1_u16.to_ne_bytes(), b"nat\0",
            &5_u16.to_ne_bytes(), &2_u16.to_ne_bytes(), &[7, 0, 0, 0],
            &8_u16.to_ne_bytes(), &3_u16.to_ne_bytes(), &[1, 2, 3, 4],
        ];
        assert_eq!(attributes.as_bytes(), expected.concat());
    }

    #[test]
    fn a_nest_is_marked_and_found() {
        let inner = Attributes::new().handle(3, 9);
        let outer = Attributes::new().nest(4, &inner);
        assert_eq!(outer.as_bytes()[2..4], 0x8004_u16.to_ne_bytes());
        assert_eq!(value_of(outer.as_bytes(), 4), Some(inner.as_bytes()));
        assert_eq!(value_of(outer.as_bytes(), 3), None);
    }

    #[test]
    fn more_may_be_shown_than_wanted_but_not_less_or_other() {
        let wanted = Attributes::new().number(1, 1).number(2, 2);
        let more = Attributes::new().number(3, 3).number(2, 2).number(1, 1);
        let other = Attributes::new().number(1, 1).number(2, 3);
        assert!(includes(more.as_bytes(), wanted.as_bytes()));
        assert!(!includes(other.as_bytes(), wanted.as_bytes()));
        assert!(!includes(wanted.as_bytes(), more.as_bytes()));
    }
}
