//! Commands that run to their end, and none without one.

use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than any command takes on a loaded machine; one that lasts longer hangs.
const TIMEOUT_SECONDS: &str = "300";

/// In seconds. Where a test spends its time shows what is slow on a machine.
const WORTH_A_LINE: f64 = 2.0;

/// What a command printed, and whether it succeeded.
#[derive(Debug)]
pub struct Finished {
    command: String,
    output: Output,
}

/// A command that is killed when it hangs.
pub fn bounded(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", TIMEOUT_SECONDS]).arg(program);
    command
}

pub fn finish(command: &mut Command) -> Finished {
    Finished { output: command.output().unwrap(), command: format!("{command:?}") }
}

impl Finished {
    pub fn is_success(&self) -> bool {
        self.output.status.success()
    }

    /// Standard output without its last line break, of a command that succeeded.
    #[track_caller]
    pub fn stdout(&self) -> String {
        let Self { command, output } = self;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(self.is_success(), "{command} failed: {text}{}", String::from_utf8_lossy(&output.stderr));
        text.trim_end().to_owned()
    }

    /// Standard output as JSON, of a command that succeeded.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.stdout();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: no JSON: {error}: {text}", self.command))
    }

    /// Standard error of a command that failed.
    #[track_caller]
    pub fn refusal(&self) -> String {
        let stderr = String::from_utf8_lossy(&self.output.stderr).into_owned();
        assert!(!self.is_success(), "{} succeeded: {}", self.command, String::from_utf8_lossy(&self.output.stdout));
        stderr
    }
}

/// Asks repeatedly for what nothing announces. `ask` answers with what it waited for, or with what is there instead.
#[track_caller]
pub fn until<T>(what: &str, timeout: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(answer) => {
                let waited = start.elapsed().as_secs_f64();
                if waited > WORTH_A_LINE {
                    println!("{waited:.1} s until {what}");
                }
                return answer;
            }
            Err(instead) => assert!(start.elapsed() < timeout, "not within {timeout:?}: {what}; instead: {instead}"),
        }
        // Whoever waits longer asks less often: the questions would take the time that the answer needs.
        thread::sleep((start.elapsed() / 10).clamp(Duration::from_millis(100), Duration::from_secs(1)));
    }
}
