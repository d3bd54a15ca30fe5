//! Addresses that a runtime asks for by name: `ADDRESS` or `ADDRESS/LENGTH`. The length is the network's business, so
//! it is read and dropped, as the reference's host-local does.

use std::net::IpAddr;

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot understand ip: invalid IP address {text}; use ADDRESS or ADDRESS/LENGTH")]
pub struct ParseAddressError {
    pub text: String,
}

/// Reads one address. An IPv4 address in IPv6 clothes is taken as IPv4.
pub fn parse(text: &str) -> Result<IpAddr, ParseAddressError> {
    let fault = || ParseAddressError { text: text.to_owned() };
    let address = match text.split_once('/') {
        Some((address, length)) => {
            // Parsed by the standard library: other parsers read a leading zero as octal.
            let parts = address.parse::<IpAddr>().ok().zip(length.parse::<u8>().ok());
            parts.and_then(|(address, length)| ipnet::IpNet::new(address, length).ok()).ok_or_else(fault)?.addr()
        }
        None => text.parse::<IpAddr>().map_err(|_| fault())?,
    };
    Ok(address.to_canonical())
}

/// Reads addresses between commas; nothing is an empty list.
pub fn parse_list(text: &str) -> Result<Vec<IpAddr>, ParseAddressError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(',').map(|part| parse(part.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_dropped() {
        let expected: IpAddr = "10.1.2.3".parse().unwrap();
        for text in ["10.1.2.3", "10.1.2.3/24", "::ffff:10.1.2.3"] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        assert_eq!(parse_list("10.1.2.3/24, 2001:db8::1").unwrap().len(), 2);
    }

    #[test]
    fn others_are_refused() {
        for text in ["ten", "10.1.2", "010.1.2.3", "010.1.2.3/24", "10.1.2.3/33", "10.1.2.3/", "/24", " "] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
