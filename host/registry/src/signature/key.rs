//! Public keys: SSH's ed25519, and ECDSA P-256 in PEM as cosign and openssl write it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::digest::{SHA256, digest};
use tokio_rustls::rustls::pki_types::SubjectPublicKeyInfoDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use super::Signer;
use super::packed::{ED25519_TYPE, Reader};

/// All of a P-256 key's `SubjectPublicKeyInfo` before the point.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A key that signatures are verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub(super) material: Material,
    /// What the fingerprint is of: SSH's form of the key, or the `SubjectPublicKeyInfo`.
    pub(super) encoded: Vec<u8>,
    comment: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Material {
    Ed25519(Vec<u8>),
    /// An uncompressed point.
    EcdsaP256(Vec<u8>),
}

/// A text that is no usable public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "it is a private key; use the public one (`ssh-keygen -y`, `openssl pkey -pubout`), and keep this one secret"
    )]
    Private,
    #[error("keys of type {kind} are not supported; use ssh-ed25519, or ECDSA P-256 in PEM")]
    Unsupported { kind: String },
    #[error("it is no public key; use a line `ssh-ed25519 …`, or ECDSA P-256 in PEM")]
    NoKey,
    #[error("it has several keys; use a file for each")]
    Several,
}

impl PublicKey {
    /// Whether a text is a key rather than a file's name.
    pub fn is_inline(text: &str) -> bool {
        text.starts_with("ssh-") || text.starts_with("ecdsa-") || text.trim_start().starts_with("-----BEGIN ")
    }

    /// Reads a line of SSH or a block of PEM. The comment is used where the key has none.
    pub fn parse(text: &str, comment: &str) -> Result<Self, KeyError> {
        if text.contains("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        if text.trim_start().starts_with("-----BEGIN ") {
            return Self::of_pem(text, comment);
        }
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let line = lines.next().ok_or(KeyError::NoKey)?;
        if lines.next().is_some() {
            return Err(KeyError::Several);
        }
        let mut words = line.splitn(3, char::is_whitespace);
        let (kind, blob) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let encoded = STANDARD.decode(blob).map_err(|_| KeyError::NoKey)?;
        let material = Material::Ed25519(ed25519(&encoded, kind)?);
        let comment = words.next().map(str::trim).filter(|own| !own.is_empty()).unwrap_or(comment);
        Ok(Self { material, encoded, comment: comment.to_owned() })
    }

    fn of_pem(text: &str, comment: &str) -> Result<Self, KeyError> {
        if text.matches("-----BEGIN ").count() > 1 {
            return Err(KeyError::Several);
        }
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).map_err(|_| KeyError::NoKey)?;
        Self::of_spki(&der, comment).ok_or_else(|| KeyError::Unsupported { kind: "other than P-256".to_owned() })
    }

    fn of_spki(der: &[u8], comment: &str) -> Option<Self> {
        let point = der.strip_prefix(&P256).filter(|point| point.len() == 65 && point[0] == 4)?;
        let material = Material::EcdsaP256(point.to_vec());
        Some(Self { material, encoded: der.to_vec(), comment: comment.to_owned() })
    }

    pub(super) fn of_point(point: &[u8], comment: &str) -> Option<Self> {
        Self::of_spki(&[&P256[..], point].concat(), comment)
    }

    pub fn signer(&self) -> Signer {
        Signer { fingerprint: fingerprint(&self.encoded), comment: self.comment.clone() }
    }
}

pub(super) fn fingerprint(encoded: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(digest(&SHA256, encoded)))
}

fn ed25519(encoded: &[u8], kind: &str) -> Result<Vec<u8>, KeyError> {
    let mut reader = Reader(encoded);
    let inner = reader.string().ok_or(KeyError::NoKey)?;
    if inner != kind.as_bytes() {
        return Err(KeyError::NoKey);
    }
    if inner != ED25519_TYPE {
        return Err(KeyError::Unsupported { kind: kind.to_owned() });
    }
    let key = reader.string().filter(|key| key.len() == 32).ok_or(KeyError::NoKey)?;
    if reader.is_empty() { Ok(key.to_vec()) } else { Err(KeyError::NoKey) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSH: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    #[test]
    fn a_line_of_ssh_is_read_with_its_comment() {
        let key = PublicKey::parse(&format!("# ours\n{SSH} team a\n"), "file").unwrap();
        assert_eq!(key.signer().comment, "team a");
        // As `ssh-keygen -l` prints it.
        assert_eq!(key.signer().fingerprint, "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
        assert_eq!(PublicKey::parse(SSH, "file").unwrap().signer().comment, "file");
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        // A string of SSH with another kind inside.
        let other = |kind: &str| {
            let blob = [&[0, 0, 0, u8::try_from(kind.len()).unwrap()], kind.as_bytes()].concat();
            format!("{kind} {}", STANDARD.encode(blob))
        };
        let refused = [
            (other("ssh-rsa"), "keys of type ssh-rsa are not supported"),
            (other("sk-ssh-ed25519@openssh.com"), "are not supported"),
            (other("ssh-ed25519"), "no public key"),
            (SSH.replace("ssh-ed25519 ", "ssh-rsa "), "no public key"),
            (format!("{SSH}\n{SSH}"), "several keys"),
            (String::new(), "no public key"),
            ("-----BEGIN PRIVATE KEY-----".to_owned(), "it is a private key"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(), "it is a private key"),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_owned(), "other than P-256"),
            ("-----BEGIN PUBLIC KEY-----\n".to_owned(), "no public key"),
        ];
        for (text, expected) in refused {
            let error = PublicKey::parse(&text, "").unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
