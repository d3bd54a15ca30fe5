//! The URL of a server that a cluster's store is reached at.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The port of etcd's clients.
const PORT: u16 = 2379;

/// `http://HOST:PORT` or `https://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub tls: bool,
    /// A host name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    pub port: u16,
}

impl Endpoint {
    /// Host and port as a URL has them: `[::1]:2379`.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl FromStr for Endpoint {
    /// What is wrong with the text: the second half of a message.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err("does not begin with http:// or https://"),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
            let (host, port) = rest.split_once(']').ok_or("has no ] after its IPv6 address")?;
            host.parse::<Ipv6Addr>().map_err(|_| "has no IPv6 address in its brackets")?;
            (host, port)
        } else {
            authority.split_at(authority.find(':').unwrap_or(authority.len()))
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => PORT,
            None => return Err("has something between its address and its port"),
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or("has no port from 1 to 65535")?,
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_host) {
            return Err("has no host name or address, or something beside host and port");
        }
        Ok(Self { tls, host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_a_host_and_perhaps_a_port() {
        let shown = |text: &str| text.parse::<Endpoint>().map(|endpoint| endpoint.to_string());
        assert_eq!(shown("http://10.0.0.1"), Ok("http://10.0.0.1:2379".to_owned()));
        assert_eq!(shown("https://etcd-1.example:4001/"), Ok("https://etcd-1.example:4001".to_owned()));
        assert_eq!(shown("https://[fd00::1]:1"), Ok("https://[fd00::1]:1".to_owned()));
        let bad = [
            "10.0.0.1:2379",
            "ftp://x",
            "http://",
            "http://:2379",
            "http://a b",
            "http://a:0",
            "http://a:65536",
            "http://a:x",
            "http://a/path",
            "http://u:p@a:1",
            "http://fd00::1:2379",
            "http://[fd00::1",
            "http://[fd00::1]x",
            "http://[a]:1",
            "http://a?x",
        ];
        for text in bad {
            assert!(shown(text).is_err(), "{text}");
        }
    }
}
