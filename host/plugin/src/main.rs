//! The plugin as runtimes start it: environment and standard input in, standard output and an exit code out.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use gingham::{Answer, OWN_NAME};

fn main() -> ExitCode {
    gingham_engine::signals::survive_file_size_limit();
    let program = program();
    match gingham::run(&program, |name| std::env::var_os(name), &mut io::stdin().lock()) {
        Answer::Success(answer) => write(&mut io::stdout(), &answer, ExitCode::SUCCESS),
        Answer::Failure(error) => write(&mut io::stdout(), &error, ExitCode::FAILURE),
        Answer::About(text) => write(&mut io::stderr(), &text, ExitCode::SUCCESS),
    }
}

/// The name decides the role, so it is the one the runtime used, whatever file a link leads to.
fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&called).file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| OWN_NAME.to_owned())
}

fn write(stream: &mut dyn Write, text: &str, code: ExitCode) -> ExitCode {
    // An answer that nobody got is no success: the runtime must not believe in it.
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}
