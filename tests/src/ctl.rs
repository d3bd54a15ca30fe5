//! Calls of `ginghamctl`.

use std::process::{Child, Command, Output, Stdio};

use crate::node::{CTL, PLUGINS};

/// What came of a call.
pub struct Said {
    output: Output,
}

/// A call under way.
pub struct Running {
    child: Child,
}

/// Runs `ginghamctl` on this node.
pub fn ctl(arguments: &[&str]) -> Said {
    start(arguments).end()
}

/// The same without waiting for its end.
pub fn start(arguments: &[&str]) -> Running {
    let mut command = Command::new(CTL);
    command.args(arguments).env("NO_COLOR", "1").env("CNI_PATH", PLUGINS);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Running { child: command.spawn().unwrap() }
}

impl Running {
    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn end(self) -> Said {
        Said { output: self.child.wait_with_output().unwrap() }
    }
}

impl Said {
    /// Standard output of a call that succeeded.
    #[track_caller]
    pub fn done(&self) -> String {
        assert!(self.output.status.success(), "{}{}", self.stdout(), self.stderr());
        self.stdout()
    }

    /// Standard error of a call that failed, with exit code 1.
    #[track_caller]
    pub fn failed(&self) -> String {
        assert_eq!(self.output.status.code(), Some(1), "{}{}", self.stdout(), self.stderr());
        self.stderr()
    }

    /// Whether it succeeded.
    pub fn is_success(&self) -> bool {
        self.output.status.success()
    }

    /// What it printed.
    pub fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    /// What it complained of.
    pub fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }
}
