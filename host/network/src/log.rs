//! Lines for the operator, on standard error: runtimes put them into their logs.

use std::fmt::Display;
use std::io::{self, Write};

use gingham_engine::runtime::{LogLevel, LogLine};
use gingham_net::notice;
use gingham_untrusted::text;

/// Something the operator should know although the work went on.
pub fn warn(message: impl Display) {
    write("warning", &message.to_string());
}

/// What the caller could not be given.
pub fn error(message: impl Display) {
    write("error", &message.to_string());
}

/// Something that happened once and that the operator may look for.
pub fn info(message: impl Display) {
    write("info", &message.to_string());
}

/// What came up in the kernel's network while the work went on.
pub fn notices() {
    for notice in notice::take() {
        if notice.is_warning { warn(notice.text) } else { info(notice.text) }
    }
}

pub fn policy(name: &str, lines: &[LogLine]) {
    for line in lines {
        let level = match line.level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warning",
            LogLevel::Error => "error",
        };
        write(level, &format!("policy {name}: {}", line.message));
    }
}

/// What another plugin wrote for the operator, in its own lines.
pub fn of_plugin(written: &[u8]) {
    write_lines(&String::from_utf8_lossy(written));
}

fn write(level: &str, message: &str) {
    // One message is one line, whatever a policy put into it.
    write_lines(&text::line(&format!("gingham: {level}: {message}")));
}

/// A closed standard error is no reason to fail.
#[expect(clippy::disallowed_methods, reason = "all of standard error is written here, escaped")]
fn write_lines(lines: &str) {
    let _ = io::stderr().write_all(text::lines(lines).as_bytes());
}
