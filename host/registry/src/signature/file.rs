//! Signatures of files, in a file beside them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{PublicKey, SignatureError, Signer, ecdsa, ssh};

/// Verifies what `ssh-keygen -Y sign` or `cosign sign-blob --key` wrote.
///
/// # Errors
/// [`SignatureError`]
pub fn verify_file(content: &[u8], signature: Option<&[u8]>, keys: &[PublicKey]) -> Result<Signer, SignatureError> {
    let signature = signature.ok_or(SignatureError::Missing)?;
    let neither = SignatureError::Malformed { reason: "it is neither SSH's nor ECDSA in base64" };
    let Ok(text) = std::str::from_utf8(signature) else { return Err(neither) };
    if ssh::is_one(text) {
        return ssh::verify(text, content, keys);
    }
    let Ok(signature) = STANDARD.decode(text.trim()) else { return Err(neither) };
    let key = ecdsa::signing_key(&signature, content, keys).ok_or(SignatureError::NoneFits { count: 1 })?;
    Ok(key.signer())
}
