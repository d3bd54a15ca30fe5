//! Lines for the operator, on standard error: runtimes put them into their logs.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Instant;

use gingham_engine::runtime::{LogLevel, LogLine};
use gingham_net::notice;
use gingham_untrusted::text;
use tracing::level_filters::LevelFilter;

/// `GINGHAM_LOG`: the steps of a call, each with the time since this was called. Off by default; an invalid filter is a
/// warning, because a container matters more than its log.
pub fn start() {
    let started = Instant::now();
    let step = move |line: gingham_log::Line| {
        write_lines(&format!("gingham: {} elapsed={:.1?}", line.text(), started.elapsed()));
    };
    if let Err(error) = gingham_log::start(LevelFilter::OFF, step) {
        warn(error);
    }
}

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
