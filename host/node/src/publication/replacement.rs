//! A file that others read at any moment, replaced in one step.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// The temporary file is in the same directory: runtimes that watch it miss files that come from elsewhere.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = directory.join(format!(".{name}.new"));
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, path)?;
    File::open(directory)?.sync_all()
}
