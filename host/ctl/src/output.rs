//! Everything that is printed. Names, paths and messages may be anybody's: whatever is in them, a terminal obeys none of
//! it, and one line is one line.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal, Write};

use gingham_untrusted::text;
use serde::Serialize;

use crate::table::Table;

/// Where a command's answer goes.
pub(crate) enum Output {
    Standard(io::Stdout),
    /// To become part of another answer.
    Collected(Vec<u8>),
}

impl Output {
    #[expect(clippy::disallowed_methods, reason = "all that is printed goes through here")]
    pub(crate) fn standard() -> Self {
        Self::Standard(io::stdout())
    }

    /// What was collected.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Standard(_) => String::new(),
            Self::Collected(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// What `write!` and `writeln!` call: one line. A line break is kept at the end only.
    pub(crate) fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        let text = text.to_string();
        let (line, end) = text.strip_suffix('\n').map_or((text.as_str(), ""), |line| (line, "\n"));
        self.write(&[&text::line(line), end].concat())
    }

    /// Text of several lines; its author has seen to it that no name in it breaks a line.
    pub(crate) fn lines(&mut self, text: &impl fmt::Display) -> io::Result<()> {
        self.write(&text::lines(&text.to_string()))
    }

    pub(crate) fn table<const COLUMNS: usize>(&mut self, table: &Table<COLUMNS>) -> io::Result<()> {
        self.lines(table)
    }

    /// Exact data, whatever is in it, and the end of the line.
    pub(crate) fn json(&mut self, answer: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(answer)?;
        self.write(&[&text::json(&text), "\n"].concat())
    }

    /// JSON objects, one a line.
    pub(crate) fn json_lines(&mut self, lines: &str) -> io::Result<()> {
        self.write(&text::json(lines))
    }

    /// A text that is all our own.
    pub(crate) fn script(&mut self, script: &str) -> io::Result<()> {
        self.write(script)
    }

    /// For programs, and no terminal.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink().write_all(bytes)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.sink().flush()
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.sink().write_all(text.as_bytes())
    }

    fn sink(&mut self) -> &mut dyn Write {
        match self {
            Self::Standard(stdout) => stdout,
            Self::Collected(bytes) => bytes,
        }
    }
}

/// A line on standard error. That nobody listens changes nothing.
pub(crate) fn print_error(message: impl fmt::Display) {
    standard_error(&format!("{}\n", text::line(&format!("ginghamctl: {message}"))));
}

pub(crate) fn log_line(line: &str) {
    standard_error(&format!("{}\n", text::line(line)));
}

/// The same of a message that shows another program's lines.
pub(crate) fn print_error_lines(message: impl fmt::Display) {
    standard_error(&text::lines(&format!("ginghamctl: {message}")));
}

/// JSON on a line of standard error.
pub(crate) fn print_error_json(data: &serde_json::Value) {
    standard_error(&format!("{}\n", text::json(&data.to_string())));
}

/// Why a command failed, for programs.
pub(crate) fn print_error_as_json(message: &str) {
    print_error_json(&serde_json::json!({ "error": message }));
}

/// How a failed command reports the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorFormat {
    Text,
    Json,
}

impl ErrorFormat {
    /// As the command line asks for it, even one that cannot be read otherwise. What follows `--` is another program's.
    pub(crate) fn of_command_line() -> Self {
        if own_arguments().any(|argument| argument == "--json") { Self::Json } else { Self::Text }
    }

    /// The same of `kubectl gingham`, which has the option of kubectl: `-o json` in each of its spellings.
    pub(crate) fn of_kubectl_command_line() -> Self {
        let arguments: Vec<_> = own_arguments().collect();
        let is_one =
            |argument: &OsString| ["--json", "-ojson", "-o=json", "--output=json"].iter().any(|word| argument == word);
        let is_two = |pair: &[OsString]| (pair[0] == "-o" || pair[0] == "--output") && pair[1] == "json";
        if arguments.iter().any(is_one) || arguments.windows(2).any(is_two) { Self::Json } else { Self::Text }
    }
}

fn own_arguments() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip(1).take_while(|argument| argument != "--")
}

/// What the reader of the command line says of itself.
pub(crate) fn usage(error: &clap::Error, format: ErrorFormat) -> std::process::ExitCode {
    let text = text::lines(&error.render().to_string());
    if error.use_stderr() && format == ErrorFormat::Json {
        print_error_as_json(text.trim_end());
    } else if error.use_stderr() {
        standard_error(&text);
    } else {
        let _ = Output::standard().script(&text);
    }
    u8::try_from(error.exit_code()).map_or(std::process::ExitCode::FAILURE, Into::into)
}

#[expect(clippy::disallowed_methods, reason = "all that is printed goes through here")]
fn standard_error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// A line at a terminal that is written over again, and is gone in the end.
pub(crate) struct Progress {
    is_shown: bool,
}

impl Progress {
    /// None if standard error is no terminal.
    #[expect(clippy::disallowed_methods, reason = "all that is printed goes through here")]
    pub(crate) fn of_terminal() -> Option<Self> {
        io::stderr().is_terminal().then_some(Self { is_shown: false })
    }

    pub(crate) fn show(&mut self, line: &str) {
        self.is_shown = true;
        standard_error(&format!("\r{}\x1b[K", text::line(line)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            standard_error("\r\x1b[K");
        }
    }
}
