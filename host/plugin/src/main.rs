//! The plugin as runtimes start it: environment and standard input in, standard output and an exit code out.
//!
//! Rust's runtime is not started. It prepares for a message about a stack that overflows, which takes longer than all that
//! DEL does before it opens the store.

#![no_main]

mod standard_streams;

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use gingham::{Answer, OWN_NAME};
use standard_streams::{StandardOutput, open_closed_streams};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// What the C library starts.
#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    let mut output = StandardOutput::open();
    open_closed_streams();
    gingham_engine::signals::survive_file_size_limit();
    gingham_engine::signals::survive_broken_pipes();
    gingham_network::log::start();
    let called = if count > 0 {
        // SAFETY: the C library passes as many strings as it counts, and they live as long as the process.
        unsafe { CStr::from_ptr(*arguments) }.to_bytes()
    } else {
        &[]
    };
    c_int::from(!serve(&program(Path::new(OsStr::from_bytes(called))), &mut output))
}

/// Returns whether the runtime got what it asked for.
#[expect(clippy::disallowed_methods, reason = "what is said of the program itself is escaped where it is made")]
fn serve(program: &str, output: &mut StandardOutput) -> bool {
    match gingham::run(program, |name| std::env::var_os(name), &mut io::stdin().lock(), output) {
        Answer::Success => true,
        Answer::Failure(error) => {
            if let Err(reason) = output.write_all(error.as_bytes()) {
                gingham::complain(&format!("standard output: cannot write the error: {reason}; it is: {error}"));
            }
            false
        }
        Answer::Undelivered(text) => {
            gingham::complain(&text);
            false
        }
        Answer::About(text) => {
            let _ = io::stderr().write_all(text.as_bytes());
            true
        }
    }
}

/// The name decides the role, so it is the one the runtime used, whatever file a link leads to.
fn program(called: &Path) -> String {
    let name = called.file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| OWN_NAME.to_owned())
}
