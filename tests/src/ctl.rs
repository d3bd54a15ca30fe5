//! Calls of `ginghamctl`.

use std::process::{Command, Output};

use crate::node::{CTL, PLUGINS};

/// What came of a call.
pub struct Said {
    output: Output,
}

/// Runs `ginghamctl` on this node.
pub fn ctl(arguments: &[&str]) -> Said {
    let output = Command::new(CTL).args(arguments).env("NO_COLOR", "1").env("CNI_PATH", PLUGINS).output().unwrap();
    Said { output }
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

    fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }
}
