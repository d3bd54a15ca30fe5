//! Ethernet addresses.

use std::fmt;
use std::str::FromStr;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::NetError;

/// An Ethernet address that an interface can have: not multicast and not all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac([u8; 6]);

impl Mac {
    /// Takes the six bytes if an interface can have them as its address.
    ///
    /// # Errors
    /// [`NetError::BadMac`] if they are a multicast address or all zero.
    pub fn new(bytes: [u8; 6]) -> Result<Self, NetError> {
        let mac = Self(bytes);
        if bytes[0] & 1 == 1 || bytes == [0; 6] {
            return Err(NetError::BadMac { mac: mac.to_string() });
        }
        Ok(mac)
    }

    /// A random unicast address of the locally administered kind, like the kernel makes them.
    ///
    /// # Errors
    /// The kernel's random number generator does not answer.
    pub fn random() -> Result<Self, NetError> {
        let mut bytes = [0; 6];
        fill(&mut bytes)
            .map_err(|errno| NetError::Randomness { purpose: "an Ethernet address", source: errno.into() })?;
        Ok(Self::local(bytes))
    }

    /// A random one above all that the kernel or a manufacturer gives. A bridge whose address nobody has set takes the lowest
    /// one of its ports; a port with this one does not change it.
    ///
    /// # Errors
    /// As [`Mac::random`].
    pub fn random_of_port() -> Result<Self, NetError> {
        let Self(mut bytes) = Self::random()?;
        bytes[0] = 0xfe;
        Ok(Self(bytes))
    }

    /// A unicast address of the locally administered kind: the bytes but for the two bits that say so.
    pub fn local(mut bytes: [u8; 6]) -> Self {
        bytes[0] = bytes[0] & 0b1111_1100 | 0b10;
        Self(bytes)
    }

    /// The six bytes.
    pub fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether it is no address at all: what the kernel reports for an interface that has none.
    pub(crate) fn is_zero(self) -> bool {
        self.0 == [0; 6]
    }

    pub(crate) fn from_attribute(value: &[u8]) -> Option<Self> {
        value.try_into().ok().map(Self)
    }
}

fn fill(bytes: &mut [u8; 6]) -> Result<(), Errno> {
    // Requests of up to 256 bytes are filled whole.
    rustix::io::retry_on_intr(|| getrandom(bytes.as_mut_slice(), GetRandomFlags::empty())).map(drop)
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(f, "{first:02x}")?;
        rest.iter().try_for_each(|byte| write!(f, ":{byte:02x}"))
    }
}

impl FromStr for Mac {
    type Err = NetError;

    /// Reads the forms that Go's `net.ParseMAC` reads: bytes of two hexadecimal digits between colons or dashes, and
    /// groups of four digits between dots. Of its lengths, 6, 8 and 20 bytes, an Ethernet interface can have the first.
    fn from_str(text: &str) -> Result<Self, NetError> {
        let bytes = digits(text).ok_or_else(|| NetError::BadMac { mac: text.to_owned() })?;
        match <[u8; 6]>::try_from(bytes.as_slice()) {
            Ok(bytes) => Self::new(bytes).map_err(|_| NetError::BadMac { mac: text.to_owned() }),
            Err(_) if [8, 20].contains(&bytes.len()) => {
                Err(NetError::NotEthernet { mac: text.to_owned(), length: bytes.len() })
            }
            Err(_) => Err(NetError::BadMac { mac: text.to_owned() }),
        }
    }
}

fn digits(text: &str) -> Option<Vec<u8>> {
    let (separator, width) = match text {
        _ if text.contains(':') => (':', 2),
        _ if text.contains('-') => ('-', 2),
        _ => ('.', 4),
    };
    let mut bytes = Vec::with_capacity(20);
    for group in text.split(separator) {
        if group.len() != width || !group.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        // All of it is ASCII, so every second byte is a boundary.
        for at in (0..width).step_by(2) {
            bytes.push(u8::from_str_radix(&group[at..at + 2], 16).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        assert_eq!("C2:11:22:33:44:55".parse::<Mac>().unwrap().to_string(), "c2:11:22:33:44:55");
        for text in ["c2-11-22-33-44-5f", "c211.2233.445f", "C211.2233.445F"] {
            assert_eq!(text.parse::<Mac>().unwrap().octets(), [0xc2, 0x11, 0x22, 0x33, 0x44, 0x5f], "{text}");
        }
    }

    #[test]
    fn refuses_what_no_interface_can_have() {
        let bad = [
            "",
            "c2:11:22:33:44",
            "c2:11:22:33:44:55:66",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "c2:+1:22:33:44:55",
            "c2:11-22:33:44:55",
            "c2:1:22:33:44:55",
            "c2112233445f",
            "c21.1223.3445f",
            "c211.2233",
            "c211.2233.445é",
        ];
        for text in bad {
            let error = text.parse::<Mac>().expect_err(text);
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn addresses_of_other_networks_are_refused_in_words() {
        for text in ["02:00:5e:10:00:00:00:01", "02-00-5e-10-00-00-00-01", "0200.5e10.0000.0001"] {
            let error = text.parse::<Mac>().unwrap_err().to_string();
            assert!(error.contains("8 bytes") && error.contains('6'), "{error}");
        }
        let infiniband = ["00"; 20].join(":");
        assert!(infiniband.parse::<Mac>().unwrap_err().to_string().contains("20 bytes"));
    }

    #[test]
    fn random_ones_are_local_unicast_and_differ() {
        let (one, other) = (Mac::random().unwrap(), Mac::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.octets()[0] & 0b11, 0b10);
    }
}
