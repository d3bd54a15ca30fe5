//! Addresses that a server names.

use http::Uri;
use http::uri::{Authority, Scheme};

/// Where a server leads to from an address: to an absolute one, or another path of the same host; never from `https` to
/// `http`.
pub(crate) fn resolve(from: &Uri, to: &str) -> Option<Uri> {
    let to = to.split('#').next()?;
    let uri: Uri = if let Some(path) = to.strip_prefix("//") {
        format!("{}://{path}", from.scheme_str()?).parse().ok()?
    } else if to.starts_with('/') {
        format!("{}://{}{to}", from.scheme_str()?, from.authority()?).parse().ok()?
    } else {
        to.parse().ok()?
    };
    // A user and a password in an address are somebody's trick.
    let has_host = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    let encrypted_enough = matches!((from.scheme_str()?, uri.scheme_str()?), (_, "https") | ("http", "http"));
    (has_host && encrypted_enough).then_some(uri)
}

pub(crate) fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    let origin = |uri: &Uri| {
        let default = if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
        let host = uri.host().map(str::to_ascii_lowercase);
        (uri.scheme().cloned(), host, uri.authority().and_then(Authority::port_u16).unwrap_or(default))
    };
    origin(one) == origin(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_leads_to_other_hosts_but_not_out_of_encryption() {
        let lead = |from: &str, to: &str| resolve(&from.parse().unwrap(), to).map(|uri| uri.to_string());
        let from = "https://registry.example/v2/a/blobs/x";
        let cases = [
            (from, "/v2/b?x=1", Some("https://registry.example/v2/b?x=1")),
            (from, "https://store.example/b?sig=1#part", Some("https://store.example/b?sig=1")),
            (from, "//store.example/b", Some("https://store.example/b")),
            (from, "http://registry.example/v2/b", None),
            (from, "https://user:password@store.example/b", None),
            (from, "file:///etc/passwd", None),
            (from, "b", None),
            (from, "", None),
            ("http://localhost:5000/v2/", "http://localhost:5001/b", Some("http://localhost:5001/b")),
            ("http://localhost:5000/v2/", "https://store.example/b", Some("https://store.example/b")),
        ];
        for (from, to, expected) in cases {
            assert_eq!(lead(from, to).as_deref(), expected, "{to}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |one: &str, other: &str| is_same_origin(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(same("https://registry.example/a", "https://Registry.example:443/b"));
        for other in ["http://registry.example/a", "https://registry.example:444/a", "https://x.registry.example/a"] {
            assert!(!same("https://registry.example/a", other), "{other}");
        }
    }
}
