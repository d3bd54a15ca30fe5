//! Signatures as cosign attaches them to an artefact: an artefact of the same repository with the tag `sha256-HEX.sig`,
//! and a layer for each signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gingham_engine::library::Digest;
use serde::{Deserialize, Serialize};

use super::{PublicKey, SignatureError, Signer, ecdsa};
use crate::connection::Session;
use crate::error::{RegistryError, shown};
use crate::manifest::{Descriptor, Manifest};
use crate::reference::Reference;

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const TYPE: &str = "cosign container image signature";
const LARGEST_PAYLOAD: u64 = 64 << 10;
const MOST: usize = 64;

/// A signature and what was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    payload: Vec<u8>,
    /// In base64.
    signature: String,
}

/// What is signed: cosign's simple signing.
#[derive(Serialize, Deserialize)]
struct Payload {
    critical: Critical,
    optional: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

impl Attached {
    pub(super) fn new(payload: Vec<u8>, signature: &[u8]) -> Self {
        Self { payload, signature: STANDARD.encode(signature) }
    }
}

/// What is to be signed for an artefact: its digest, under the name it has here.
pub(super) fn payload(reference: &Reference, manifest: &Digest) -> Option<Vec<u8>> {
    let identity = Identity { docker_reference: reference.identity() };
    let image = Image { docker_manifest_digest: manifest.to_string() };
    serde_json::to_vec(&Payload { critical: Critical { identity, image, kind: TYPE.to_owned() }, optional: None }).ok()
}

pub(crate) fn tag(manifest: &Digest) -> String {
    format!("sha256-{}.sig", manifest.hex())
}

/// Verifies that a listed key has signed this manifest under this reference.
///
/// # Errors
/// [`SignatureError`], of the signature that fits best.
pub fn verify_reference(
    attached: &[Attached],
    reference: &Reference,
    manifest: &Digest,
    keys: &[PublicKey],
) -> Result<Signer, SignatureError> {
    if !ecdsa::has_any(keys) {
        return Err(SignatureError::NoEcdsaKey);
    }
    let mut refusal = match attached.len() {
        0 => SignatureError::Missing,
        count => SignatureError::NoneFits { count },
    };
    for one in attached {
        let key = STANDARD.decode(one.signature.trim()).ok();
        let key = key.and_then(|signature| ecdsa::signing_key(&signature, &one.payload, keys));
        match key.map(|key| is_for(&one.payload, reference, manifest, key.signer())) {
            Some(Ok(signer)) => return Ok(signer),
            Some(Err(error)) => refusal = error,
            None => {}
        }
    }
    Err(refusal)
}

fn is_for(payload: &[u8], reference: &Reference, manifest: &Digest, signer: Signer) -> Result<Signer, SignatureError> {
    let malformed = |reason| SignatureError::Malformed { reason };
    let payload: Payload =
        serde_json::from_slice(payload).map_err(|_| malformed("what was signed is not cosign's simple signing"))?;
    let Critical { identity, image, kind } = payload.critical;
    if kind != TYPE {
        return Err(malformed("what was signed is for another purpose"));
    }
    if image.docker_manifest_digest != manifest.to_string() {
        return Err(SignatureError::OtherManifest { signer, signed: shown(&image.docker_manifest_digest) });
    }
    // Without this, what a team signed in its repository could be offered in another one.
    let fits = |named: &Reference| {
        named.identity() == reference.identity()
            && (named.tag().is_none() || reference.tag().is_none() || named.tag() == reference.tag())
    };
    match Reference::parse(&identity.docker_reference) {
        Ok(named) if fits(&named) => Ok(signer),
        _ => Err(SignatureError::OtherReference { signer, signed: shown(&identity.docker_reference) }),
    }
}

/// The signatures of an artefact; the session's reference is theirs.
pub(crate) async fn read(session: &mut Session<'_>) -> Result<Vec<Attached>, RegistryError> {
    let Some(manifest) = find(session).await? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for layer in manifest.layers.iter().filter(|layer| layer.media_type == PAYLOAD).take(MOST) {
        let (Some(signature), Some(digest)) = (layer.annotations.get(SIGNATURE), Digest::parse(&layer.digest)) else {
            continue;
        };
        let payload = session.blob(layer, &digest, "a signature", LARGEST_PAYLOAD).await?;
        found.push(Attached { payload, signature: signature.clone() });
    }
    Ok(found)
}

async fn find(session: &mut Session<'_>) -> Result<Option<Manifest>, RegistryError> {
    let Some((bytes, _)) = session.find_manifest().await? else { return Ok(None) };
    let read = Manifest::read(&bytes);
    read.map(Some).map_err(|reason| session.malformed("signatures", &reason))
}

/// Adds one to those that are there.
pub(crate) async fn add(session: &mut Session<'_>, signature: Attached) -> Result<(), RegistryError> {
    let mut layers = find(session).await?.map(|manifest| manifest.layers).unwrap_or_default();
    let mut layer = Descriptor::of(PAYLOAD, &signature.payload);
    layer.annotations.insert(SIGNATURE.to_owned(), signature.signature);
    layers.push(layer);
    let digests: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let config = serde_json::json!({
        "architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": digests},
    });
    let config = session.json(&config)?;
    session.put_blob(&signature.payload).await?;
    session.put_blob(&config).await?;
    let manifest = session.json(&Manifest::new(Descriptor::of(CONFIG, &config), layers))?;
    session.put_manifest(&manifest).await?;
    Ok(())
}
