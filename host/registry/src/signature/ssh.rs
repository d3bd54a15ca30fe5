//! Signatures of `ssh-keygen -Y sign`: OpenSSH's PROTOCOL.sshsig, for ed25519.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Algorithm, SHA256, SHA512, digest};
use ring::signature::{ED25519, UnparsedPublicKey};

use super::key::{Material, PublicKey, fingerprint};
use super::packed::{ED25519_TYPE, Reader};
use super::{NAMESPACE, SignatureError, Signer};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: &[u8] = &[0, 0, 0, 1];

/// One as it was read.
struct Signature<'a> {
    key: &'a [u8],
    namespace: &'a [u8],
    reserved: &'a [u8],
    hash: &'a [u8],
    signature: &'a [u8],
}

pub(super) fn is_one(text: &str) -> bool {
    text.trim_start().starts_with(BEGIN)
}

pub(super) fn verify(text: &str, content: &[u8], keys: &[PublicKey]) -> Result<Signer, SignatureError> {
    let blob = unarmored(text).ok_or(SignatureError::Malformed { reason: "its base64 is damaged" })?;
    let signature = Signature::read(&blob).ok_or(SignatureError::Malformed { reason: "its parts are not SSH's" })?;
    let listed = keys.iter().find(|key| key.encoded == signature.key);
    let key = listed.ok_or_else(|| SignatureError::NotListed { fingerprint: fingerprint(signature.key) })?;
    let signer = key.signer();
    if signature.namespace != NAMESPACE.as_bytes() {
        let namespace = String::from_utf8_lossy(signature.namespace).into_owned();
        return Err(SignatureError::Namespace { signer, namespace });
    }
    let Material::Ed25519(public) = &key.material else {
        return Err(SignatureError::Malformed { reason: "its key has another type" });
    };
    let signed = signature.signed(content).ok_or(SignatureError::Malformed { reason: "its hash is unknown" })?;
    match UnparsedPublicKey::new(&ED25519, public).verify(&signed, signature.signature) {
        Ok(()) => Ok(signer),
        Err(_) => Err(SignatureError::OtherContent { signer }),
    }
}

fn unarmored(text: &str) -> Option<Vec<u8>> {
    let (inside, after) = text.trim().strip_prefix(BEGIN)?.split_once(END)?;
    let base64: String = inside.chars().filter(|character| !character.is_whitespace()).collect();
    after.is_empty().then(|| STANDARD.decode(base64).ok())?
}

impl<'a> Signature<'a> {
    fn read(blob: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(blob);
        if reader.take(MAGIC.len())? != MAGIC || reader.take(VERSION.len())? != VERSION {
            return None;
        }
        let [key, namespace, reserved, hash, packed] = [(); 5].map(|()| reader.string());
        let mut inner = Reader(packed?);
        let (kind, signature) = (inner.string()?, inner.string()?);
        let whole = kind == ED25519_TYPE && reader.is_empty() && inner.is_empty();
        whole.then_some(Self { key: key?, namespace: namespace?, reserved: reserved?, hash: hash?, signature })
    }

    /// What the key has signed: not the content, but its hash with its purpose.
    fn signed(&self, content: &[u8]) -> Option<Vec<u8>> {
        let algorithm: &'static Algorithm = match self.hash {
            b"sha512" => &SHA512,
            b"sha256" => &SHA256,
            _ => return None,
        };
        let hash = digest(algorithm, content);
        let parts = [self.namespace, self.reserved, self.hash, hash.as_ref()];
        let packed =
            parts.into_iter().map(|part| Some([&u32::try_from(part.len()).ok()?.to_be_bytes()[..], part].concat()));
        Some([MAGIC.to_vec(), packed.collect::<Option<Vec<_>>>()?.concat()].concat())
    }
}
