//! The plugin is run once before its configuration is published.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// It answers within milliseconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Half a file, or one for another processor, does not answer.
pub(super) fn require_plugin(plugin: &Path) -> Result<(), String> {
    let reason = match answer(plugin, TIMEOUT) {
        Ok(Some(status)) if status.success() => return Ok(()),
        Ok(Some(status)) => status.to_string(),
        Ok(None) => format!("it was stopped after {} s without an answer", TIMEOUT.as_secs()),
        Err(error) => error.to_string(),
    };
    Err(format!("the plugin {} does not run: {reason}", plugin.display()))
}

/// Nothing if it had to be killed, with all that it started.
fn answer(plugin: &Path, timeout: Duration) -> io::Result<Option<ExitStatus>> {
    let mut command = Command::new(plugin);
    command.env_clear().env("CNI_COMMAND", "VERSION").process_group(0);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let status = wait(&mut child, Instant::now() + timeout);
    if !matches!(status, Ok(Some(_))) {
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        child.wait()?;
    }
    status
}

/// The standard library waits without a bound only.
fn wait(child: &mut Child, end: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_plugin_that_never_answers_is_stopped_with_what_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let (plugin, started) = (directory.path().join("plugin"), directory.path().join("started"));
        fs::write(&plugin, format!("#!/bin/sh\nsleep 600 & echo $! >{}\nwait\n", started.display())).unwrap();
        fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
        // It writes before it is stopped, also on a busy machine.
        assert_eq!(answer(&plugin, Duration::from_secs(2)).unwrap(), None);
        let process = fs::read_to_string(&started).unwrap();
        let is_alive = || {
            let state = fs::read_to_string(format!("/proc/{}/stat", process.trim())).unwrap_or_default();
            !state.is_empty() && !state.contains(") Z ")
        };
        let end = Instant::now() + TIMEOUT;
        while is_alive() {
            assert!(Instant::now() < end, "{process} goes on");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn one_that_answers_is_not_waited_for() {
        assert!(answer(Path::new("/bin/true"), TIMEOUT).unwrap().unwrap().success());
        assert!(!answer(Path::new("/bin/false"), TIMEOUT).unwrap().unwrap().success());
        assert!(answer(Path::new("/nowhere/gingham"), TIMEOUT).is_err());
    }
}
