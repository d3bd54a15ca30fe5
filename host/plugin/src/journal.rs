//! Lines for the operator, on standard error: runtimes put them into their logs.

use std::fmt::Display;
use std::io::{self, Write};

use gingham_engine::runtime::{LogLevel, LogLine};
use gingham_net::notice;

/// Something the operator should know although the work went on.
pub(crate) fn warn(message: impl Display) {
    write("warning", &message.to_string());
}

/// Something that happened once and that the operator may look for.
pub(crate) fn info(message: impl Display) {
    write("info", &message.to_string());
}

/// What came up in the kernel's network while the work went on.
pub(crate) fn notices() {
    for notice in notice::take() {
        if notice.is_warning { warn(notice.text) } else { info(notice.text) }
    }
}

/// What a policy logged.
pub(crate) fn policy(name: &str, lines: &[LogLine]) {
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

fn write(level: &str, message: &str) {
    // One message is one line, whatever a policy put into it. That nobody listens is no reason to fail.
    let line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let _ = writeln!(io::stderr(), "gingham: {level}: {line}");
}
