//! A call of a plugin, as a container runtime makes it: environment and standard input in, standard output out.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// What a program may take and write before it is stopped.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub time: Duration,
    /// Bytes of each of standard output and standard error.
    pub output: usize,
}

/// A call within bounds that came to nothing.
#[derive(Debug)]
pub enum BoundsError {
    Io(io::Error),
    Time,
    Output,
}

impl From<io::Error> for BoundsError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub struct Call {
    /// May be changed further before the call starts.
    pub command: Command,
    input: String,
}

impl Call {
    /// In an environment with nothing else but a PATH. `input` is the configuration.
    pub fn new(program: impl AsRef<OsStr>, verb: &str, input: String) -> Self {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("CNI_COMMAND", verb);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, input }
    }

    /// With the environment of this process, except for CNI's variables.
    pub fn inherit_environment(&mut self) {
        let is_cni = |name: &OsStr| name.to_string_lossy().starts_with("CNI_");
        self.command.envs(std::env::vars_os().filter(|(name, _)| !is_cni(name)));
    }

    /// For an interface of a container.
    pub fn attachment(&mut self, container: &str, netns: impl AsRef<Path>, interface: &str) -> &mut Self {
        self.command.env("CNI_CONTAINERID", container).env("CNI_NETNS", netns.as_ref()).env("CNI_IFNAME", interface);
        self
    }

    /// Starts it and writes the configuration.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(mut self) -> io::Result<Child> {
        let mut child = self.command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A plugin that ends before it has read its input reports why on standard output.
            let _ = stdin.write_all(self.input.as_bytes());
        }
        Ok(child)
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn run(self) -> io::Result<(Output, Duration)> {
        let start = Instant::now();
        let output = self.start()?.wait_with_output()?;
        Ok((output, start.elapsed()))
    }

    /// Runs it to its end, or kills it at the bounds, with all that it started.
    ///
    /// # Errors
    /// The program cannot be started, or does not keep within the bounds.
    pub fn run_within(mut self, bounds: Bounds) -> Result<(Output, Duration), BoundsError> {
        let start = Instant::now();
        let mark = mark();
        self.command.env(MARK, &mark);
        let mut child = self.command.spawn()?;
        let input = self.input.into_bytes();
        let stdin = child.stdin.take();
        // A program that does not read blocks the writer once the pipe is full.
        let writer = thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
        let result = collect(&mut child, start + bounds.time, bounds.output);
        if result.is_err() {
            let _ = child.kill();
            let _ = child.wait();
            kill_marked(&mark);
        } else {
            let _ = writer.join();
        }
        Ok((result?, start.elapsed()))
    }
}

/// Every process that a call started has this in its environment, unless it removed it. A process group would not do: a
/// terminal's Ctrl-C would miss the call, and a daemon leaves its group.
const MARK: &str = "GINGHAM_TESTBED_CALL";

/// How often what a call started is looked for, 10 ms apart.
const KILL_ROUNDS: u32 = 200;

fn mark() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed))
}

/// Kills the processes with a mark, until there is none: one may start another meanwhile.
fn kill_marked(mark: &str) {
    let entry = format!("{MARK}={mark}");
    let is_marked = |pid: &Pid| {
        let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes())
    };
    // A process that is killed still has its environment for a moment; one that waits for a device may have it for long.
    for _ in 0..KILL_ROUNDS {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|process| Pid::from_raw(process.file_name().to_str()?.parse().ok()?));
        // Opened before it is looked at, so that no other process that got its number is killed.
        let open = pids.filter_map(|pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?)));
        let killed = open.filter(|(pid, process)| is_marked(pid) && pidfd_send_signal(process, Signal::KILL).is_ok());
        if killed.count() == 0 {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn collect(child: &mut Child, deadline: Instant, most: usize) -> Result<Output, BoundsError> {
    let streams = [child.stdout.take().map(boxed), child.stderr.take().map(boxed)];
    let mut readers = Vec::new();
    let (sender, receiver) = mpsc::channel();
    for (index, stream) in streams.into_iter().enumerate() {
        let sender = sender.clone();
        readers.push(thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stream.map_or(Ok(0), |stream| stream.take(most as u64 + 1).read_to_end(&mut bytes));
            let _ = sender.send((index, read.map(|_| bytes)));
        }));
    }
    let mut outputs = [Vec::new(), Vec::new()];
    for _ in 0..outputs.len() {
        let (index, bytes) = match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((index, bytes)) => (index, bytes?),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Err(BoundsError::Time),
        };
        if bytes.len() > most {
            return Err(BoundsError::Output);
        }
        outputs[index] = bytes;
    }
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if Instant::now() >= deadline => return Err(BoundsError::Time),
            None => thread::sleep(Duration::from_millis(1)),
        }
    };
    readers.into_iter().for_each(|reader| drop(reader.join()));
    let [stdout, stderr] = outputs;
    Ok(Output { status, stdout, stderr })
}

fn boxed(stream: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str) -> Result<Output, BoundsError> {
        let mut call = Call::new("/bin/sh", "ADD", "{}".to_owned());
        call.command.args(["-c", script]);
        let bounds = Bounds { time: Duration::from_secs(2), output: 1000 };
        call.run_within(bounds).map(|(output, _)| output)
    }

    #[test]
    fn a_program_within_the_bounds_is_heard() {
        let output = run("cat; echo no >&2; exit 3").unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"{}"[..], &b"no\n"[..]));
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn a_program_beyond_the_bounds_is_stopped() {
        let start = Instant::now();
        for script in ["exec yes", "exec yes >&2"] {
            assert!(matches!(run(script), Err(BoundsError::Output)), "{script}");
        }
        for script in ["exec sleep 1000", "exec sleep 1000 >&- 2>&-"] {
            assert!(matches!(run(script), Err(BoundsError::Time)), "{script}");
        }
        assert!(start.elapsed() < Duration::from_mins(1));
    }

    /// Children, also those in a session of their own, and those whose parent has ended.
    #[test]
    fn what_a_stopped_program_started_is_stopped() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name).display().to_string();
        let [child, daemon, orphan] = ["child", "daemon", "orphan"].map(file);
        let script = format!(
            "sleep 1000 & echo $! >{child}; setsid sh -c 'echo $$ >{daemon}; exec sleep 1000' & \
             sh -c 'sleep 1000 & echo $! >{orphan}'; wait"
        );
        assert!(matches!(run(&script), Err(BoundsError::Time)));
        for file in [child, daemon, orphan] {
            let pid = fs::read_to_string(&file).unwrap();
            // One that has ended has none, even if no process has waited for it yet.
            let environment = fs::read(format!("/proc/{}/environ", pid.trim())).unwrap_or_default();
            assert!(environment.is_empty(), "{file}: process {pid} still runs");
        }
    }
}
