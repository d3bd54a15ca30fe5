//! Compiled forms whose file was copied, as from a backup: they are what the compiler made, but each ADD reads all of them to
//! see that.

use super::file::open_regular;
use super::record::Record;
use super::{Digest, Library, LibraryError, compiled_path, io, record_path};

impl Library {
    /// Whether the compiled form is in another file than the one that it was written to. Nothing of it is read.
    pub fn is_copied(&self, digest: &Digest) -> bool {
        let Some(file) = self.root.as_ref().and_then(|root| open_regular(root, &compiled_path(digest)).ok()) else {
            return false;
        };
        self.fits(digest, |record| Ok(!record.is_of(&file.metadata()?))).unwrap_or(false)
    }

    /// Records the file in which a copied compiled form is now, so that no ADD reads it any more. Returns whether it was
    /// copied. Code that is not what the compiler made is left as it is: it is refused when it is used.
    ///
    /// # Errors
    /// [`LibraryError`]
    pub fn record_copied(&mut self, digest: &Digest) -> Result<bool, LibraryError> {
        let (path, recorded) = (compiled_path(digest), record_path(digest));
        let file = open_regular(self.root()?, &path).map_err(|source| io("open", &path, source))?;
        // Before it is read: whoever writes to it meanwhile changes this.
        let meta = file.metadata().map_err(|source| io("inspect", &path, source))?;
        let Some(bytes) = self.read(&recorded)? else { return Ok(false) };
        let Ok(record) = serde_json::from_slice::<Record>(&bytes) else { return Ok(false) };
        let fits = record.fits_wholly(digest, &file).map_err(|source| io("read", &path, source))?;
        if record.is_of(&meta) || !fits {
            return Ok(false);
        }
        let json = serde_json::to_vec(&record.in_file(&meta))
            .map_err(|error| LibraryError::Damaged { path: recorded.clone(), reason: error.to_string() })?;
        self.write(&recorded, &json)?;
        Ok(true)
    }
}
