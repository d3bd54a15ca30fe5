//! Tests that want a program of another package: where it is missing they do not run, and the run ends by saying so.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, io, thread};

/// Set (to anything), a missing program is a failure: a machine that has to prove everything sets it.
pub const REQUIRE: &str = "GINGHAM_REQUIRE_PACKAGES";

/// Whether the program is there. If not, the calling test is noted down and should return.
///
/// # Panics
/// If the program is missing and [`REQUIRE`] is set.
#[must_use]
pub fn has(program: &str, package: &str) -> bool {
    holds(Path::new(program).exists(), &format!("{program} of the package {package}"))
}

/// Whether a condition holds. If not, the calling test is noted down with what it wants, and should return.
///
/// # Panics
/// If the condition does not hold and [`REQUIRE`] is set.
#[must_use]
pub fn holds(condition: bool, wanted: &str) -> bool {
    if condition {
        return true;
    }
    let current = thread::current();
    let test = current.name().unwrap_or("a test");
    assert!(env::var_os(REQUIRE).is_none(), "{test} wants {wanted}");
    let line = format!("{test} wants {wanted}\n");
    let noted =
        OpenOptions::new().create(true).append(true).open(notes()).and_then(|mut file| file.write_all(line.as_bytes()));
    assert!(noted.is_ok(), "{test} cannot note down that it did not run: {noted:?}");
    false
}

/// What was noted down since the last report, in order and once; the notes are gone then.
///
/// # Errors
/// If the notes cannot be read or removed.
pub fn take() -> io::Result<Vec<String>> {
    let path = notes();
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    fs::remove_file(&path)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    Ok(lines)
}

/// `target/PROFILE/did-not-run`: a test's program lies in `target/PROFILE/deps`.
fn notes() -> PathBuf {
    let own = env::current_exe().unwrap_or_default();
    own.ancestors().nth(2).unwrap_or(Path::new(".")).join("did-not-run")
}
