//! `gingham-node` on a node of the trial, and children that do not outlive it.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use rustix::process::{Signal, set_parent_process_death_signal};

/// Of a node: where the configuration is for it, and where it logs.
const CONFIG_DIR: &str = "/run/gingham/net.d";
pub(super) const LOG: &str = "/run/gingham/node.log";

/// So many lines of a log are shown when something fails.
const LAST_LINES: usize = 8;

/// It runs. It is killed when the value is dropped, and by the kernel when this program ends otherwise.
pub(super) struct Companion {
    /// Dropped, it is the order to end.
    order: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Companion {
    /// Starts it from a thread that `there` brings to its node, and that stays as long as it does.
    pub(super) fn start(
        mut command: Command,
        there: impl FnOnce() -> io::Result<File> + Send + 'static,
    ) -> io::Result<Self> {
        let (order, orders) = mpsc::channel::<()>();
        let (started, is_started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            end_with_this_thread(&mut command);
            let mut child = match there().and_then(|log| command.stderr(log).spawn()) {
                Ok(child) => child,
                Err(error) => return drop(started.send(Err(error))),
            };
            let _ = started.send(Ok(()));
            // Nobody ever sends anything: this is the end of the sender.
            let _ = orders.recv();
            let _ = child.kill();
            let _ = child.wait();
        });
        is_started.recv().map_err(io::Error::other)??;
        Ok(Self { order: Some(order), thread: Some(thread) })
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        drop(self.order.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What is to be run.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["--config-dir", CONFIG_DIR, "--every", "1"]).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// On the node: writes the configuration, and opens the log.
pub(super) fn prepare(config: &str) -> io::Result<File> {
    fs::create_dir_all(CONFIG_DIR)?;
    fs::write(Path::new(CONFIG_DIR).join("10-try.conf"), config)?;
    File::create(LOG)
}

/// A child that the kernel kills when the thread that starts it ends.
pub(super) fn end_with_this_thread(command: &mut Command) {
    // SAFETY: one system call, which allocates nothing, between fork and exec.
    unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
}

/// The end of a log.
pub(super) fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
