//! The plugin as runtimes start it: environment and standard input in, standard output and an exit code out.

mod standard_output;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use gingham::{Answer, OWN_NAME};
use standard_output::StandardOutput;

#[expect(clippy::disallowed_methods, reason = "what is said of the program itself is escaped where it is made")]
fn main() -> ExitCode {
    gingham_engine::signals::survive_file_size_limit();
    gingham_network::log::start();
    let mut output = StandardOutput::open();
    let answer = gingham::run(&program(), |name| std::env::var_os(name), &mut io::stdin().lock(), &mut output);
    match answer {
        Answer::Success => ExitCode::SUCCESS,
        Answer::Failure(error) => {
            if let Err(reason) = output.write_all(error.as_bytes()) {
                gingham::complain(&format!("standard output: cannot write the error: {reason}; it is: {error}"));
            }
            ExitCode::FAILURE
        }
        Answer::Undelivered(text) => {
            gingham::complain(&text);
            ExitCode::FAILURE
        }
        Answer::About(text) => {
            let _ = io::stderr().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
    }
}

/// The name decides the role, so it is the one the runtime used, whatever file a link leads to.
fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&called).file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| OWN_NAME.to_owned())
}
