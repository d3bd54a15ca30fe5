//! Where the API server is, and what shows it who we are.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use http::Uri;

/// Where Kubernetes puts a pod's credentials.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The API server's URL, from a value of the installed file; empty: that of the pod.
pub const SERVER: &str = "GINGHAM_KUBE_SERVER";

/// Set in every pod.
const HOST: &str = "KUBERNETES_SERVICE_HOST";
const PORT: &str = "KUBERNETES_SERVICE_PORT";

/// How the API server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub server: Server,
    /// Who signs the server's certificate. Not used with `http`.
    pub authority: Pem,
    /// The file of the bearer token. It is read for each request: kubelets replace it.
    pub token: Option<PathBuf>,
}

/// Certificates or keys in PEM.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// Read for each connection: kubelets replace it.
    File(PathBuf),
    Text(Vec<u8>),
}

/// `https://HOST:PORT/PREFIX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub tls: bool,
    /// A host name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    pub port: u16,
    /// In front of all paths: empty, or it begins with `/` and does not end with it.
    pub prefix: String,
}

/// Why the API server cannot be called with this configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "cannot find the Kubernetes API: the environment variable {variable} is {found}; run in a pod, or configure \
         the server's URL"
    )]
    Environment { variable: &'static str, found: String },
    #[error("invalid API server URL {url:?}: it {reason}; use https://HOST:PORT")]
    Server { url: String, reason: &'static str },
}

impl Config {
    /// What is given; else [`SERVER`]; else what a pod has. None outside of a pod, unless a server is named.
    ///
    /// # Errors
    /// [`ConfigError`]: what names the server cannot be read.
    pub fn find(
        server: Option<&str>,
        authority: Option<&Path>,
        token: Option<&Path>,
    ) -> Result<Option<Self>, ConfigError> {
        let server = match server.map(str::to_owned).or_else(|| set(SERVER)) {
            Some(url) => Server::parse(&url)?,
            None if set(HOST).is_none() => return Ok(None),
            None => Server::of_pod()?,
        };
        let file =
            |given: Option<&Path>, name| given.map_or_else(|| Path::new(SERVICE_ACCOUNT).join(name), Path::to_owned);
        Ok(Some(Self { server, authority: Pem::File(file(authority, "ca.crt")), token: Some(file(token, "token")) }))
    }
}

fn set(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

impl Server {
    fn of_pod() -> Result<Self, ConfigError> {
        let missing = |variable| ConfigError::Environment { variable, found: "not set".to_owned() };
        let host = set(HOST).ok_or_else(|| missing(HOST))?;
        let text = set(PORT).ok_or_else(|| missing(PORT))?;
        let port = text.parse().map_err(|_| ConfigError::Environment { variable: PORT, found: format!("{text:?}") })?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { tls: true, host, port, prefix: String::new() })
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// [`ConfigError::Server`] if it has no `http` or `https` scheme, no host, or a user, query or fragment.
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        let wrong = |reason| ConfigError::Server { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|_| wrong("cannot be read"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("does not begin with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
        if authority.as_str().contains('@') || uri.query().is_some() || url.contains('#') {
            return Err(wrong("has something beside host, port and path"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong("has no host"));
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => {
                if tls {
                    443
                } else {
                    80
                }
            }
            Some(rest) => {
                let port = rest.strip_prefix(':').and_then(|port| port.parse().ok()).filter(|port| *port != 0);
                port.ok_or_else(|| wrong("has no port from 1 to 65535"))?
            }
            None => return Err(wrong("has no host")),
        };
        Ok(Self { tls, host: host.to_owned(), port, prefix: uri.path().trim_end_matches('/').to_owned() })
    }

    /// Host and port as a URL has them: `[::1]:6443`.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

/// Keys are not printed.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_a_host_and_perhaps_port_and_prefix() {
        let shown = |url: &str| Server::parse(url).map(|server| server.to_string());
        assert_eq!(shown("https://10.96.0.1"), Ok("https://10.96.0.1:443".to_owned()));
        assert_eq!(shown("http://127.0.0.1:8080/"), Ok("http://127.0.0.1:8080".to_owned()));
        assert_eq!(shown("https://[fd00:96::1]:6443"), Ok("https://[fd00:96::1]:6443".to_owned()));
        assert_eq!(shown("https://gate.example/clusters/c-1/"), Ok("https://gate.example:443/clusters/c-1".to_owned()));
        for url in [
            "",
            "10.96.0.1",
            "10.96.0.1:6443",
            "ftp://a",
            "https://",
            "https://u:p@a",
            "https://a:0",
            "https://a:65536",
            "https://a:x",
            "https://a?b",
            "https://a#b",
            "https://a b",
        ] {
            assert!(shown(url).is_err(), "{url:?}: {:?}", shown(url));
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", Pem::Text(b"secret".to_vec())), "Text(6 bytes)");
    }
}
