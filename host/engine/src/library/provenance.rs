//! Where an installed policy came from, and whose signature was verified. The plugin reads none of it.

use serde::{Deserialize, Serialize};

use super::{Digest, Installed, Library, LibraryError, is_name, name_path};

/// What is known of a policy's way to this node. All of it is absent for a file without a signature.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The registry, repository and tag it was pulled from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Of the manifest in the registry. The policy's own digest is its layer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
}

/// The key whose signature was verified when the policy was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    pub fingerprint: String,
    pub comment: String,
}

/// The file of a name.
#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    installed: &'a Installed,
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<&'a Provenance>,
}

/// The part of it that older versions did not write.
#[derive(Deserialize)]
struct Later {
    #[serde(default)]
    provenance: Provenance,
}

impl Library {
    /// Where the policy of a name came from.
    ///
    /// # Errors
    /// [`LibraryError`]
    pub fn provenance(&self, name: &str) -> Result<Provenance, LibraryError> {
        let path = name_path(name);
        let bytes = if is_name(name) { self.read(&path)? } else { None };
        let Some(bytes) = bytes else { return Ok(Provenance::default()) };
        let later = serde_json::from_slice::<Later>(&bytes);
        later.map(|later| later.provenance).map_err(|error| LibraryError::Damaged { path, reason: error.to_string() })
    }

    /// Records what a name stands for and where it came from. Its component and compiled form are there.
    ///
    /// # Errors
    /// [`LibraryError`]; the name still means what it meant.
    pub fn record(&mut self, name: &str, installed: &Installed, provenance: &Provenance) -> Result<(), LibraryError> {
        let entry = Entry { installed, provenance: (*provenance != Provenance::default()).then_some(provenance) };
        let path = name_path(name);
        let json = serde_json::to_vec_pretty(&entry);
        let json = json.map_err(|error| LibraryError::Damaged { path: path.clone(), reason: error.to_string() })?;
        self.write(&path, &json)
    }
}
