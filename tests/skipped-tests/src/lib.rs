//! Tests that want a program of another package are skipped where it is missing. Each process of tests ends by naming
//! what it skipped, and what all of them skipped is recorded until `cargo run --package skipped-tests` prints it.
//!
//! Neither depends on the order of the tests, nor on how many of them share a process.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use std::{env, fs, thread};

/// If it is set (to anything), a missing program is a failure: a machine that has to prove everything sets it.
pub const REQUIRE: &str = "GINGHAM_REQUIRE_PACKAGES";

/// Where the records are, instead of `target/PROFILE/skipped`.
pub const DIRECTORY: &str = "GINGHAM_SKIPPED_TESTS";

/// What this process has skipped.
static SKIPPED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whether the program is there. If not, the calling test is recorded as skipped and should return.
///
/// # Panics
/// If the program is missing and [`REQUIRE`] is set.
#[must_use]
pub fn has(program: &str, package: &str) -> bool {
    holds(Path::new(program).exists(), &format!("{program} of the package {package}"))
}

/// Whether a condition holds. If not, the calling test is recorded as skipped, with what it wants, and should return.
///
/// # Panics
/// If the condition does not hold and [`REQUIRE`] is set, or the record cannot be written.
#[must_use]
pub fn holds(condition: bool, wanted: &str) -> bool {
    let test = test_name();
    let record = directory(2).join(&test);
    if condition {
        // It may have been skipped in an earlier run.
        let _ = fs::remove_file(record);
        return true;
    }
    assert!(env::var_os(REQUIRE).is_none(), "{test} wants {wanted}");
    let written = fs::create_dir_all(directory(2)).and_then(|()| fs::write(&record, wanted));
    assert!(written.is_ok(), "cannot record in {} that {test} is skipped: {written:?}", record.display());
    report_at_exit(format!("{test} wants {wanted}"));
    false
}

/// All tests that are recorded as skipped, with what they want. The records are gone then.
///
/// # Errors
/// The records cannot be read or removed.
pub fn take() -> io::Result<Vec<String>> {
    let directory = directory(1);
    let records = match fs::read_dir(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        records => records?,
    };
    let mut lines = Vec::new();
    for record in records {
        let record = record?;
        let test = record.file_name().to_string_lossy().into_owned();
        lines.push(format!("{test} wants {}", fs::read_to_string(record.path())?));
    }
    fs::remove_dir_all(&directory)?;
    lines.sort();
    Ok(lines)
}

/// The report of so many tests.
pub fn report(skipped: &[String]) -> String {
    let list = skipped.iter().fold(String::new(), |list, line| list + "  " + line + "\n");
    match skipped.len() {
        0 => "no test was skipped\n".to_owned(),
        1 => format!("1 test was SKIPPED:\n{list}"),
        count => format!("{count} tests were SKIPPED:\n{list}"),
    }
}

/// The test harness ends with `exit`, after it has printed its result.
fn report_at_exit(line: String) {
    static REGISTERED: Once = Once::new();
    SKIPPED.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    REGISTERED.call_once(|| {
        // SAFETY: the function is there as long as the program, and unwinds nowhere.
        unsafe { libc::atexit(print_skipped) };
    });
}

extern "C" fn print_skipped() {
    let mut skipped = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    skipped.sort();
    skipped.dedup();
    let _ = io::stderr().write_all(format!("{}\n", report(&skipped)).as_bytes());
}

/// `BINARY TEST`. Where a process has one test only, that runs on the main thread, and the test's name is an argument.
fn test_name() -> String {
    let binary = env::current_exe().unwrap_or_default();
    let binary = binary.file_stem().unwrap_or_default().to_string_lossy();
    // Cargo appends a hash, which is another one after each change.
    let binary = binary.rsplit_once('-').map_or(&*binary, |(name, _)| name);
    let current = thread::current();
    let of_thread = current.name().filter(|name| *name != "main").map(str::to_owned);
    let test = of_thread.or_else(|| env::args().skip(1).find(|argument| !argument.starts_with('-')));
    format!("{binary} {}", test.as_deref().unwrap_or("(a test)"))
}

/// `target/PROFILE` is so many levels above the calling program.
fn directory(levels: usize) -> PathBuf {
    env::var_os(DIRECTORY).map_or_else(
        || {
            let own = env::current_exe().unwrap_or_default();
            own.ancestors().nth(levels).unwrap_or(Path::new(".")).join("skipped")
        },
        PathBuf::from,
    )
}
