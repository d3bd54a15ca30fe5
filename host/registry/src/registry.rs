//! What is done with a registry: push, pull, and the signatures beside an artefact.

use gingham_engine::library::Digest;

use crate::connection::{Access, Connection, Session};
use crate::error::RegistryError;
use crate::manifest::{Config, Descriptor, Manifest, WASM_CONFIG, component_layer};
use crate::reference::Reference;
use crate::signature::attached::{self, Attached};

/// A registry, for one command: its time bound starts here.
pub struct Registry {
    connection: Connection,
}

/// A component, and what it imports and exports.
pub struct Component<'a> {
    pub bytes: &'a [u8],
    pub exports: &'a [String],
    pub imports: &'a [String],
}

/// A component and the digest of the manifest that led to it.
#[derive(Debug)]
pub struct Pulled {
    pub component: Vec<u8>,
    pub manifest: Digest,
}

impl Registry {
    /// # Errors
    /// [`RegistryError`]: the certificates cannot be read.
    pub fn new(access: &Access) -> Result<Self, RegistryError> {
        Ok(Self { connection: Connection::new(access)? })
    }

    /// The digest of the manifest that a reference names now.
    pub fn resolve(&self, reference: &Reference) -> Result<Digest, RegistryError> {
        self.connection.run(reference, async {
            let (_, digest) = self.connection.session(reference).manifest().await?;
            Ok(digest)
        })
    }

    /// Fetches a component of at most so many bytes. Its digest is the layer's.
    pub fn pull(&self, reference: &Reference, limit: u64) -> Result<Pulled, RegistryError> {
        self.connection.run(reference, async {
            let mut session = self.connection.session(reference);
            let (bytes, manifest) = session.manifest().await?;
            let not_a_policy = |reason| RegistryError::NotAPolicy { reference: reference.to_string(), reason };
            let read = Manifest::read(&bytes).map_err(not_a_policy)?;
            let (layer, digest) = read.component().map_err(not_a_policy)?;
            let component = session.blob(layer, &digest, "the component", limit).await?;
            Ok(Pulled { component, manifest })
        })
    }

    /// Uploads a component under a tag, which names this one from then on. The same component always has the same
    /// manifest.
    pub fn push(&self, reference: &Reference, component: &Component<'_>) -> Result<Digest, RegistryError> {
        if reference.manifest().is_some() {
            return Err(RegistryError::PushToDigest { reference: reference.to_string() });
        }
        self.connection.run(reference, async {
            let mut session = self.connection.session(reference);
            let config = session.json(&Config::new(component.bytes, component.exports, component.imports))?;
            session.put_blob(component.bytes).await?;
            session.put_blob(&config).await?;
            let layer = component_layer(component.bytes, reference.name());
            let manifest = Manifest::new(Descriptor::of(WASM_CONFIG, &config), vec![layer]);
            let manifest = session.json(&manifest)?;
            session.put_manifest(&manifest).await
        })
    }

    /// The signatures that were attached to a manifest.
    pub fn signatures(&self, reference: &Reference, manifest: &Digest) -> Result<Vec<Attached>, RegistryError> {
        let beside = reference.with_tag(attached::tag(manifest));
        self.connection.run(reference, async { attached::read(&mut self.connection.session(&beside)).await })
    }

    /// Attaches a signature to a manifest. Those that are there stay.
    pub fn attach(&self, reference: &Reference, manifest: &Digest, signature: Attached) -> Result<(), RegistryError> {
        let beside = reference.with_tag(attached::tag(manifest));
        self.connection.run(reference, async { attached::add(&mut self.connection.session(&beside), signature).await })
    }
}

impl Session<'_> {
    pub(crate) fn json(&self, data: &impl serde::Serialize) -> Result<Vec<u8>, RegistryError> {
        serde_json::to_vec(data).map_err(|error| self.malformed("a manifest", &error.to_string()))
    }
}
