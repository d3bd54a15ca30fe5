//! A new policy's directory.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::template::{self, File};
use crate::{Kind, Language, PolicyName, ToolchainError};

/// Why there is no new directory. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    #[error("{} exists and is not empty; choose another directory with --dir", path.display())]
    NotEmpty { path: PathBuf },
    #[error("cannot write {}: the directory {} does not exist; make it first", directory.display(), parent.display())]
    NoParent { directory: PathBuf, parent: PathBuf },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
}

/// Writes a policy that builds into a directory that is absent or empty, as a whole or not at all.
///
/// # Errors
/// [`NewError`]
pub fn create(directory: &Path, name: &PolicyName, language: Language, kind: Kind) -> Result<(), NewError> {
    let failed = |source| NewError::Write { path: directory.to_owned(), source };
    let exists = match fs::read_dir(directory).map(|mut entries| entries.next().is_some()) {
        Ok(true) => return Err(NewError::NotEmpty { path: directory.to_owned() }),
        Ok(false) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed(error)),
    };
    // On the same file system, because files cannot be renamed to another one.
    let place = match directory.parent() {
        _ if exists => directory,
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    // Its mode is the one that the umask leaves, as of any new directory, and not a temporary one's.
    let usual = fs::Permissions::from_mode(0o777);
    let temporary = tempfile::Builder::new().prefix(".new-policy-").permissions(usual).tempdir_in(place);
    // It names the temporary directory, which is not there.
    let temporary = temporary.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NewError::NoParent { directory: directory.to_owned(), parent: place.to_owned() },
        kind => failed(kind.into()),
    })?;
    let made = language.toolchain().files(name, kind)?;
    for file in template::files(language, kind, name).into_iter().chain(made) {
        write(temporary.path(), &file).map_err(failed)?;
    }
    if exists {
        // It may be a shell's working directory, so it stays and its files move.
        return move_entries(temporary.path(), directory).map_err(failed);
    }
    fs::rename(temporary.path(), directory).map_err(failed)?;
    // It has moved; there is nothing left to remove.
    let _ = temporary.keep();
    Ok(())
}

fn move_entries(from: &Path, to: &Path) -> io::Result<()> {
    fs::read_dir(from)?.try_for_each(|entry| {
        let entry = entry?;
        fs::rename(entry.path(), to.join(entry.file_name()))
    })
}

fn write(directory: &Path, file: &File) -> io::Result<()> {
    let path = directory.join(&file.path);
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, &file.text)
}
