//! Hardware addresses as configurations write them.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};

/// A hardware address an interface can have: 6 bytes, of one station, not all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacAddress(pub [u8; 6]);

/// A text that is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no hardware address of an interface; write six bytes like 02:42:0a:f4:00:02, the first one even")]
pub struct ParseMacError {
    /// The text at fault.
    pub text: String,
}

impl FromStr for MacAddress {
    type Err = ParseMacError;

    /// Reads `02:42:0a:f4:00:02`, `02-42-0a-f4-00-02` and `0242.0af4.0002`.
    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        let fault = || ParseMacError { text: text.to_owned() };
        let (separator, digits) = if text.contains('.') {
            ('.', 4)
        } else if text.contains('-') {
            ('-', 2)
        } else {
            (':', 2)
        };
        let groups: Vec<&str> = text.split(separator).collect();
        let well_formed = |group: &&str| group.len() == digits && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        if groups.len() * digits != 12 || !groups.iter().all(well_formed) {
            return Err(fault());
        }
        let bits = u64::from_str_radix(&groups.concat(), 16).map_err(|_| fault())?;
        let [_, _, bytes @ ..] = bits.to_be_bytes();
        let multicast = bytes[0] & 1 == 1;
        if multicast || bytes == [0; 6] { Err(fault()) } else { Ok(Self(bytes)) }
    }
}

impl<'de> Deserialize<'de> for MacAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_spellings_read_the_same() {
        for text in ["02:42:0a:f4:00:02", "02-42-0A-F4-00-02", "0242.0af4.0002"] {
            assert_eq!(text.parse::<MacAddress>().unwrap().to_string(), "02:42:0a:f4:00:02");
        }
    }

    #[test]
    fn others_are_refused() {
        for text in ["", "02:42", "01:00:5e:00:00:01", "00:00:00:00:00:00", "+2:42:0a:f4:00:02", "0242:0af4:0002"] {
            assert!(text.parse::<MacAddress>().is_err(), "{text}");
        }
    }
}
