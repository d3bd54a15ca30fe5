//! Signatures by ECDSA P-256 over SHA-256, as `cosign sign-blob --key` and `openssl dgst -sign` make them.

use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use super::key::{Material, PublicKey};

/// The key that made a signature: the signature does not name it.
pub(super) fn signing_key<'k>(signature: &[u8], content: &[u8], keys: &'k [PublicKey]) -> Option<&'k PublicKey> {
    keys.iter().find(|key| match &key.material {
        Material::EcdsaP256(point) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(content, signature).is_ok()
        }
        Material::Ed25519(_) => false,
    })
}

pub(super) fn has_any(keys: &[PublicKey]) -> bool {
    keys.iter().any(|key| matches!(key.material, Material::EcdsaP256(_)))
}
