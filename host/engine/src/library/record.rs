//! What is written down of a compiled form, so that one that is not what the compiler made is never run.

use std::io::Read;

use cap_std::fs::{File, Metadata, MetadataExt};
use serde::{Deserialize, Serialize};

use super::Digest;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    component: Digest,
    compiled: Digest,
    file: Identity,
}

/// A file as it was left. The kernel changes the time at every write, and offers no way to set it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    changed: i64,
    changed_nanos: i64,
}

impl Identity {
    fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            changed: meta.ctime(),
            changed_nanos: meta.ctime_nsec(),
        }
    }
}

impl Record {
    pub(super) fn new(component: &Digest, compiled: &[u8], meta: &Metadata) -> Self {
        Self { component: component.clone(), compiled: Digest::of(compiled), file: Identity::of(meta) }
    }

    /// The same code in another file.
    pub(super) fn in_file(self, meta: &Metadata) -> Self {
        Self { file: Identity::of(meta), ..self }
    }

    /// Whether this is the file that the code was written to, and nobody has changed it since.
    pub(super) fn is_of(&self, meta: &Metadata) -> bool {
        self.file == Identity::of(meta)
    }

    pub(super) fn compiled(&self) -> &Digest {
        &self.compiled
    }

    /// Whether this file is what was compiled from the component. One that was not touched since is not read: a policy of
    /// 40 MB would take longer to read than all the rest of an ADD.
    pub(super) fn fits(&self, component: &Digest, file: &File) -> std::io::Result<bool> {
        Ok(self.component == *component && (self.is_of(&file.metadata()?) || self.is_digest_of(file)?))
    }

    /// The same, and every byte is read.
    pub(super) fn fits_wholly(&self, component: &Digest, file: &File) -> std::io::Result<bool> {
        Ok(self.component == *component && self.is_digest_of(file)?)
    }

    fn is_digest_of(&self, mut file: &File) -> std::io::Result<bool> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Digest::of(&bytes) == self.compiled)
    }
}
