//! The requests of the OCI distribution specification that are used: manifests and blobs, to and fro.

use bytes::Bytes;
use gingham_engine::library::Digest;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use http::{Method, StatusCode, Uri};

use crate::connection::Session;
use crate::error::RegistryError;
use crate::manifest::{ACCEPTED, Descriptor, MANIFEST};
use crate::transport::resolve;

/// What the specification has registries accept.
const LARGEST_MANIFEST: u64 = 4 << 20;

impl Session<'_> {
    /// A manifest and its digest, which is the pinned one if the reference pins it. Nothing if there is none.
    pub(crate) async fn find_manifest(&mut self) -> Result<Option<(Vec<u8>, Digest)>, RegistryError> {
        let no_version = || RegistryError::NoVersion { reference: self.reference.to_string() };
        let version = self.reference.version().ok_or_else(no_version)?;
        let uri = self.uri(&format!("manifests/{version}"))?;
        let request = self.request(Method::GET, uri, Some((ACCEPT, ACCEPTED)), Bytes::new())?;
        let response = self.send(request).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(self.refusal(response, "reading", &self.reference.to_string()).await),
        }
        let bytes = self.body(response, "the manifest", LARGEST_MANIFEST).await?;
        let actual = Digest::of(&bytes);
        match self.reference.manifest() {
            Some(expected) if *expected != actual => Err(self.other_digest("the manifest", expected, actual)),
            _ => Ok(Some((bytes, actual))),
        }
    }

    pub(crate) async fn manifest(&mut self) -> Result<(Vec<u8>, Digest), RegistryError> {
        let missing = RegistryError::NotFound { reference: self.reference.to_string() };
        self.find_manifest().await?.ok_or(missing)
    }

    /// A blob that is what its descriptor says.
    pub(crate) async fn blob(
        &mut self,
        descriptor: &Descriptor,
        digest: &Digest,
        what: &'static str,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        if descriptor.size > limit {
            return Err(RegistryError::TooLarge { registry: self.reference.registry().to_owned(), what, limit });
        }
        let request = self.request(Method::GET, self.uri(&format!("blobs/{digest}"))?, None, Bytes::new())?;
        let response = self.send(request).await?;
        if response.status() != StatusCode::OK {
            let named = format!("{what} of {}", self.reference);
            return Err(self.refusal(response, "reading", &named).await);
        }
        let bytes = self.body(response, what, limit).await?;
        let actual = Digest::of(&bytes);
        if actual == *digest { Ok(bytes) } else { Err(self.other_digest(what, digest, actual)) }
    }

    fn other_digest(&self, what: &'static str, expected: &Digest, actual: Digest) -> RegistryError {
        RegistryError::Digest { reference: self.reference.to_string(), what, expected: expected.clone(), actual }
    }

    /// Uploads a blob in one piece, if the registry does not have it.
    pub(crate) async fn put_blob(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        let digest = Digest::of(bytes);
        let request = self.request(Method::HEAD, self.uri(&format!("blobs/{digest}"))?, None, Bytes::new())?;
        let known = self.send(request).await?;
        if known.status() == StatusCode::OK {
            return Ok(());
        }
        let repository = self.reference.identity();
        let request = self.request(Method::POST, self.uri("blobs/uploads/")?, None, Bytes::new())?;
        let response = self.send(request).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.refusal(response, "writing", &repository).await);
        }
        let location = response.inner.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let uri = self.upload(&response.uri, location, &digest)?;
        let kind = Some((CONTENT_TYPE, "application/octet-stream"));
        let request = self.request(Method::PUT, uri, kind, Bytes::copy_from_slice(bytes))?;
        let response = self.send(request).await?;
        if response.status() == StatusCode::CREATED {
            return Ok(());
        }
        Err(self.refusal(response, "writing", &repository).await)
    }

    /// Where a registry wants a blob: anywhere, but encrypted as the registry is.
    fn upload(&self, from: &Uri, location: &str, digest: &Digest) -> Result<Uri, RegistryError> {
        let separator = if location.contains('?') { '&' } else { '?' };
        let uri = resolve(from, &format!("{location}{separator}digest={digest}"));
        uri.ok_or_else(|| self.malformed("the place of an upload", "it is unencrypted or no address"))
    }

    pub(crate) async fn put_manifest(&mut self, bytes: &[u8]) -> Result<Digest, RegistryError> {
        let no_version = || RegistryError::NoVersion { reference: self.reference.to_string() };
        let tag = self.reference.tag().ok_or_else(no_version)?;
        let uri = self.uri(&format!("manifests/{tag}"))?;
        let kind = Some((CONTENT_TYPE, MANIFEST));
        let request = self.request(Method::PUT, uri, kind, Bytes::copy_from_slice(bytes))?;
        let response = self.send(request).await?;
        if response.status() == StatusCode::CREATED {
            return Ok(Digest::of(bytes));
        }
        Err(self.refusal(response, "writing", &self.reference.to_string()).await)
    }
}
