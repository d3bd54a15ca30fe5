//! A thread that starts programs and lives as long as they shall: the kernel kills them when it ends.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, set_parent_process_death_signal, waitid};

type Work = Box<dyn FnOnce() + Send>;

/// It is in the namespaces of the thread that makes it. So a value that is shared by tests, each on a thread of its own,
/// outlives the test that made it.
#[derive(Debug)]
pub(crate) struct Keeper {
    work: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(crate) fn new() -> Self {
        let (work, inbox) = mpsc::channel::<Work>();
        let thread = thread::spawn(move || inbox.into_iter().for_each(|work| work()));
        Self { work: Some(work), thread: Some(thread) }
    }

    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (result, is_done) = mpsc::channel();
        let sender = self.work.as_ref().expect("it ends when it is dropped only");
        let send = move || drop(result.send(work()));
        sender.send(Box::new(send)).expect("the keeper has ended");
        is_done.recv().expect("the keeper panicked, see above")
    }

    /// Starts a program that writes what it prints into `log`.
    pub(crate) fn start(&self, mut command: Command, log: &Path) -> Process {
        let output = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        // SAFETY: one system call, which allocates nothing, between fork and exec.
        unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
        let child =
            self.run(move || command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")));
        Process { child }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.work.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A program, killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        // It is our child and not waited for yet: the id is its own. It may have ended.
        let _ = kill_process(pid, signal);
        if signal == Signal::STOP {
            // Threads that run on another processor carry out requests until they are interrupted.
            let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = waitid(WaitId::Pid(pid), stopped);
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn end(mut self, signal: Signal) {
        self.signal(signal);
        self.child.wait().unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
