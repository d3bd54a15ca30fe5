//! Programs that run as long as a value does, and end with this process.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread::JoinHandle;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::TestbedError;
use crate::machine::Machine;

/// A program that runs on a machine. It is killed with the value, and by the kernel if this process ends otherwise.
#[derive(Debug)]
pub struct Daemon {
    pub process: Child,
    /// The kernel kills the program when the thread that started it ends: that thread waits for the end of this.
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    /// # Errors
    /// The machine cannot be entered, or the program cannot be started.
    pub fn start(machine: &Machine, mut command: Command) -> Result<Self, TestbedError> {
        let machine = machine.clone();
        let (end, until_end) = mpsc::channel::<()>();
        let (started, is_started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            end_with_this_thread(&mut command);
            let program = PathBuf::from(command.get_program());
            let failed = |source| TestbedError::Io { operation: "start", path: program, source };
            let _ = started.send(machine.enter().and_then(|()| command.spawn().map_err(failed)));
            drop(machine);
            let _ = until_end.recv();
        });
        let process = is_started.recv().map_err(|_| TestbedError::Io {
            operation: "start a program on",
            path: PathBuf::new(),
            source: io::Error::other("its thread has ended"),
        })??;
        Ok(Self { process, end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        drop(self.end.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The kernel kills the program when the thread that starts it ends.
pub(crate) fn end_with_this_thread(command: &mut Command) {
    // SAFETY: one system call, which allocates nothing, between fork and exec.
    unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
}

/// The last lines of a log.
pub fn end_of(log: &Path, count: usize) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
