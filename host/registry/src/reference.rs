//! References: where an artefact lies in a registry.

use std::fmt;

use gingham_engine::library::Digest;

/// `REGISTRY/REPOSITORY:TAG` or `REGISTRY/REPOSITORY@sha256:HEX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    manifest: Option<Digest>,
}

/// A text that is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid reference {text:?}: {reason}; use REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:HEX")]
pub struct ReferenceError {
    text: String,
    reason: &'static str,
}

const SCHEME: &str = "oci://";

impl Reference {
    /// Whether a text can only be meant as a reference: it begins with `oci://`.
    pub fn is_marked(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// Whether a text looks like a reference rather than a path: its first part is a host's name.
    pub fn is_likely(text: &str) -> bool {
        Self::is_marked(text) || text.split_once('/').is_some_and(|(first, _)| is_host(first))
    }

    /// # Errors
    /// [`ReferenceError`]
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let fault = |reason| ReferenceError { text: text.to_owned(), reason };
        let rest = text.strip_prefix(SCHEME).unwrap_or(text);
        let (rest, manifest) = match rest.split_once('@') {
            Some((rest, digest)) => {
                let digest =
                    Digest::parse(digest).ok_or_else(|| fault("after @ comes sha256: and 64 lower case digits"))?;
                (rest, Some(digest))
            }
            None => (rest, None),
        };
        let (registry, rest) = rest.split_once('/').ok_or_else(|| fault("it has no repository"))?;
        if !is_host(registry) {
            return Err(fault("it must begin with the registry's host, such as registry.example or localhost:5000"));
        }
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        if !is_repository(repository) {
            return Err(fault("a repository has lower case letters, digits, '.', '_', '-' and '/'"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(fault("a tag has at most 128 letters, digits, '.', '_' and '-'"));
        }
        Ok(Self {
            registry: registry.to_ascii_lowercase(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            manifest,
        })
    }

    /// Host and port.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    pub fn repository(&self) -> &str {
        &self.repository
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of its manifest, if the reference pins it.
    pub fn manifest(&self) -> Option<&Digest> {
        self.manifest.as_ref()
    }

    /// `REGISTRY/REPOSITORY`: what signatures and rules name.
    pub fn identity(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The repository's last part.
    pub fn name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }

    /// What the registry is asked for: the digest, where there is one.
    pub(crate) fn version(&self) -> Option<String> {
        self.manifest.as_ref().map(ToString::to_string).or_else(|| self.tag.clone())
    }

    /// Another artefact of the same repository.
    pub(crate) fn with_tag(&self, tag: String) -> Self {
        Self { tag: Some(tag), manifest: None, ..self.clone() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.manifest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

/// As Docker tells a host from the first part of a path: it has a dot or a port, or is localhost.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_name = |host: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        host.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric()) && host.bytes().all(inner)
    };
    let is_ipv6 = |host: &str| {
        let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        inside.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
    };
    let marked = port.is_some() || host.contains('.') || host.eq_ignore_ascii_case("localhost") || is_ipv6(host);
    marked && (is_name(host) || is_ipv6(host)) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_repository(text: &str) -> bool {
    let is_part = |part: &str| {
        let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        ends(part.bytes().next()) && ends(part.bytes().last()) && part.bytes().all(inner) && !part.contains("..")
    };
    text.len() <= 255 && text.split('/').all(is_part)
}

fn is_tag(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    first && text.len() <= 128 && text.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

    #[test]
    fn its_parts_are_found() {
        let parse = |text: &str| Reference::parse(text).unwrap();
        let reference = parse("oci://Registry.example:5000/team/sticky:1.2");
        assert_eq!(reference.to_string(), "registry.example:5000/team/sticky:1.2");
        assert_eq!((reference.registry(), reference.repository()), ("registry.example:5000", "team/sticky"));
        assert_eq!((reference.tag(), reference.manifest(), reference.name()), (Some("1.2"), None, "sticky"));
        let pinned = parse(&format!("localhost/sticky:1@{HEX}"));
        assert_eq!((pinned.version().unwrap().as_str(), pinned.identity().as_str()), (HEX, "localhost/sticky"));
        assert_eq!(parse("[::1]:5000/a").registry(), "[::1]:5000");
        assert_eq!(parse("localhost:5000/a").tag(), None);
    }

    #[test]
    fn what_is_no_reference_is_refused_with_the_reason() {
        let reasons = [
            ("sticky", "it has no repository"),
            ("team/sticky:1", "must begin with the registry's host"),
            ("./sticky.wasm", "must begin with the registry's host"),
            ("registry.example:port/a", "must begin with the registry's host"),
            ("user:secret@registry.example/a", "after @ comes sha256:"),
            ("registry.example/Team/a", "a repository has lower case"),
            ("registry.example/a/../b", "a repository has lower case"),
            ("registry.example/a//b", "a repository has lower case"),
            ("registry.example/a?x=1", "a repository has lower case"),
            ("registry.example/a:", "a tag has"),
            ("registry.example/a:1 2", "a tag has"),
            ("registry.example/a@sha256:12", "after @ comes sha256:"),
        ];
        for (text, reason) in reasons {
            let error = Reference::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn paths_do_not_look_like_references() {
        for path in ["sticky.wasm", "./registry.example/a", "/a/b", "target/x.wasm", "../a/b", "team/sticky:1"] {
            assert!(!Reference::is_likely(path), "{path}");
        }
        for text in ["registry.example/a:1", "localhost/a", "localhost:5000/a", "oci://a"] {
            assert!(Reference::is_likely(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_printed_as_it_is_read(text in "[a-zA-Z0-9.:/@_\\-\\[\\]]{0,40}") {
            if let Ok(reference) = Reference::parse(&text) {
                prop_assert_eq!(Reference::parse(&reference.to_string()).unwrap(), reference);
            }
        }
    }
}
