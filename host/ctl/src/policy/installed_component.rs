//! The component of an installed policy, as it was installed. It is what an upgrade compiles.

use gingham_engine::library::{Digest, Library, LibraryError};

/// Why it is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstalledComponentError {
    #[error(
        "the component of policy {name} is missing from the library; install it again with `ginghamctl policy add`"
    )]
    Missing { name: String },
    #[error(
        "the component of policy {name} in the library is damaged: its digest is {found}, not {expected}; install it again \
         with `ginghamctl policy add`"
    )]
    Damaged { name: String, found: Digest, expected: Digest },
    #[error(transparent)]
    Library(#[from] LibraryError),
}

/// All of it.
pub(super) fn read(library: &Library, name: &str, digest: &Digest) -> Result<Vec<u8>, InstalledComponentError> {
    let missing = || InstalledComponentError::Missing { name: name.to_owned() };
    let component = library.component(digest)?.ok_or_else(missing)?;
    let found = Digest::of(&component);
    if found == *digest {
        return Ok(component);
    }
    Err(InstalledComponentError::Damaged { name: name.to_owned(), found, expected: digest.clone() })
}
