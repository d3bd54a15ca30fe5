//! Programs that are run to their end, and none without one.

use std::ffi::OsStr;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Seconds. Longer than any command takes on a loaded machine; one that lasts longer hangs.
const PATIENCE: &str = "90";

/// What came of a command.
pub(crate) struct Said {
    command: String,
    output: Output,
}

/// A command that is killed when it hangs.
pub(crate) fn bounded(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", PATIENCE, program]).env("TMPDIR", "/run/tmp");
    command
}

/// Runs a command to its end.
pub(crate) fn run(program: &str, arguments: &[impl AsRef<OsStr>]) -> Said {
    said(bounded(program).args(arguments))
}

/// Runs what [`bounded`] began.
pub(crate) fn said(command: &mut Command) -> Said {
    Said { output: command.output().unwrap(), command: format!("{command:?}") }
}

/// Asks again and again, for what nobody announces, until there is an answer.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let patience = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < patience, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Said {
    /// Standard output without its last line break, of a command that succeeded.
    #[track_caller]
    pub(crate) fn done(&self) -> String {
        assert!(self.output.status.success(), "{} failed: {}{}", self.command, self.stdout(), self.stderr());
        self.stdout().trim_end().to_owned()
    }

    /// The same, or nothing if the command failed.
    pub(crate) fn try_done(&self) -> Option<String> {
        self.output.status.success().then(|| self.done())
    }

    /// Standard error of a command that failed.
    #[track_caller]
    pub(crate) fn failed(&self) -> String {
        assert!(!self.output.status.success(), "{} succeeded: {}", self.command, self.stdout());
        self.stderr()
    }

    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}
