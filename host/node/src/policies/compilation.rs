//! Compiling without privileges: the compiler reads a foreign component, so it runs in a process that can do nothing.
//!
//! `ginghamctl policy compile` gets the component on its standard input and answers with machine code. It runs as `nobody` where
//! the agent may become that, otherwise as root without capabilities; within limits, and with the few system calls that
//! [`system_calls`] allows. Where the agent can make one, it is in a network namespace with nothing in it as well.

use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use gingham_engine::library::Digest;
use gingham_net::netns::NetNs;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Gid, Resource, Rlimit, Uid, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_thread_gid, set_thread_groups, set_thread_uid,
};

use super::system_calls;

const NOBODY: u32 = 65_534;

/// A policy with a JavaScript engine takes some ten seconds on a small node.
const TIMEOUT: Duration = Duration::from_mins(5);

/// Of machine code, in bytes: that of a policy in Python has 40 MB.
const LARGEST_ARTEFACT: u64 = 256 << 20;

/// Of the compiler's address space, in bytes. It reserves much more than it uses.
const LARGEST_ADDRESS_SPACE: u64 = 64 << 30;

/// Of what it can write to, in bytes.
const LARGEST_MEMORY: u64 = 2 << 30;

/// Of the files in memory that the runtime makes of a component's data, in bytes: it starts the policy once.
const LARGEST_IMAGE: u64 = 64 << 20;

/// Of what the compiler reports.
const LONGEST_MESSAGE: u64 = 4 << 10;

#[derive(Debug, thiserror::Error)]
pub(super) enum CompilationError {
    #[error("cannot run {}: {source}; it belongs beside gingham-node", program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("cannot talk to the compiler: {0}")]
    Pipe(io::Error),
    #[error("the compiler was stopped after {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("the compiler was ended by a signal ({status}): it needs more than {} GiB of memory, or the node is short of it", LARGEST_MEMORY >> 30)]
    Killed { status: ExitStatus },
    #[error("the component was refused: {0}")]
    Refused(String),
    #[error("the machine code is larger than {} MiB", LARGEST_ARTEFACT >> 20)]
    TooLarge,
}

impl CompilationError {
    /// Whether the compiler did not come to its end for want of time or memory.
    pub(super) fn is_of_amount(&self) -> bool {
        matches!(self, Self::Timeout | Self::Killed { .. })
    }

    /// Whether the component is at fault, so that the same comes of every further attempt.
    pub(super) fn is_of_component(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::TooLarge)
    }
}

pub(super) fn compile(component: Vec<u8>, digest: &Digest) -> Result<Vec<u8>, CompilationError> {
    let mut child = start(digest)?;
    let done = converse(&mut child, component);
    // One that has answered has ended; any other must not go on.
    let _ = child.kill();
    let _ = child.wait();
    done
}

/// Beside the agent, as in the image.
fn program() -> PathBuf {
    let beside =
        std::env::current_exe().ok().and_then(|own| own.parent().map(|directory| directory.join("ginghamctl")));
    beside.unwrap_or_else(|| "/ginghamctl".into())
}

fn start(digest: &Digest) -> Result<Child, CompilationError> {
    let program = program();
    // A second fence: without a socket there is no network either. It needs the capability SYS_ADMIN.
    let nowhere = NetNs::create().ok();
    let as_nobody = spawn(nowhere.as_ref(), &program, digest, GivesUp::User);
    // A container without the capabilities SETUID and SETGID, or a user namespace with one user in it.
    let started = as_nobody.or_else(|_| spawn(nowhere.as_ref(), &program, digest, GivesUp::CapabilitiesAlone));
    started.map_err(|source| CompilationError::Start { program, source })
}

/// What a process gives up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GivesUp {
    /// Root, and with it all capabilities.
    User,
    CapabilitiesAlone,
}

fn spawn(nowhere: Option<&NetNs>, program: &Path, digest: &Digest, gives_up: GivesUp) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(["policy", "compile", "-", "--output", "-", "--digest"]).arg(digest.to_string());
    command.env_clear().current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    spawn_restricted(nowhere, command, gives_up)
}

fn spawn_restricted(nowhere: Option<&NetNs>, mut command: Command, gives_up: GivesUp) -> io::Result<Child> {
    let limits = limits();
    let prepare = move || {
        be_ended_first();
        limits.iter().try_for_each(|&(resource, limit)| setrlimit(resource, limit))?;
        if gives_up == GivesUp::User {
            become_nobody()?;
        }
        Ok(())
    };
    // SAFETY: system calls that allocate nothing, which a child of a process with several threads may do.
    unsafe { command.pre_exec(prepare) };
    system_calls::restrict(&mut command)?;
    // A process inherits all of this from the thread that starts it, and that flag keeps root's next program from having
    // capabilities again.
    let start = || {
        rustix::thread::set_no_new_privs(true)?;
        let none = CapabilitySet::empty();
        let kept = match gives_up {
            // It needs them to become the other user, which loses them. Those that a container runtime made inheritable would stay.
            GivesUp::User => CapabilitySets { inheritable: none, ..capabilities(None)? },
            GivesUp::CapabilitiesAlone => CapabilitySets { effective: none, permitted: none, inheritable: none },
        };
        set_capabilities(None, kept)?;
        command.spawn()
    };
    match nowhere {
        Some(namespace) => namespace.enter(start).unwrap_or_else(|error| Err(io::Error::other(error.to_string()))),
        None => thread::scope(|scope| scope.spawn(start).join().unwrap_or_else(|panic| resume_unwind(panic))),
    }
}

/// Where memory is short, the kernel ends a process. The child has the agent's rank otherwise, which in Kubernetes is that of the last one to
/// be ended: pods would end for a component that makes the compiler large.
fn be_ended_first() {
    let file = rustix::fs::open(c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    // Without it the compiler works all the same.
    let _ = file.and_then(|file| rustix::io::write(&file, b"1000"));
}

/// Not by [`Command::uid`], which comes before all else in a child: then its files of `/proc` would be root's.
fn become_nobody() -> io::Result<()> {
    set_thread_groups(&[])?;
    set_thread_gid(Gid::from_raw(NOBODY))?;
    Ok(set_thread_uid(Uid::from_raw(NOBODY))?)
}

/// The child sets them before it becomes the program. From outside that would need the capability `SYS_RESOURCE`: the child is
/// another user.
fn limits() -> [(Resource, Rlimit); 6] {
    let limits = [
        (Resource::As, LARGEST_ADDRESS_SPACE),
        (Resource::Data, LARGEST_MEMORY),
        (Resource::Cpu, 4 * TIMEOUT.as_secs()),
        (Resource::Fsize, LARGEST_IMAGE),
        (Resource::Core, 0),
        (Resource::Nofile, 32),
    ];
    limits.map(|(resource, most)| {
        // No process without that capability can raise what it has.
        let most = getrlimit(resource).maximum.map_or(most, |present| present.min(most));
        (resource, Rlimit { current: Some(most), maximum: Some(most) })
    })
}

fn converse(child: &mut Child, component: Vec<u8>) -> Result<Vec<u8>, CompilationError> {
    let (mut input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // One that ends before it has read everything has refused it: its message says why.
    let write = thread::spawn(move || input.take().map_or(Ok(()), |mut input| input.write_all(&component)));
    let artefact = thread::spawn(move || read(output, LARGEST_ARTEFACT + 1));
    let message = thread::spawn(move || read(errors, LONGEST_MESSAGE));
    let deadline = Instant::now() + TIMEOUT;
    let status = loop {
        match child.try_wait().map_err(CompilationError::Pipe)? {
            Some(status) => break status,
            None if Instant::now() > deadline => return Err(CompilationError::Timeout),
            None => thread::sleep(Duration::from_millis(20)),
        }
    };
    let _ = write.join();
    let joined = |read: thread::Result<io::Result<Vec<u8>>>| {
        read.unwrap_or_else(|_| Err(io::Error::other("a thread panicked"))).map_err(CompilationError::Pipe)
    };
    let (artefact, message) = (joined(artefact.join())?, joined(message.join())?);
    if artefact.len() as u64 > LARGEST_ARTEFACT {
        return Err(CompilationError::TooLarge);
    }
    if status.code().is_none() {
        return Err(CompilationError::Killed { status });
    }
    if !status.success() {
        let message = String::from_utf8_lossy(&message).trim().to_owned();
        // What ginghamctl puts before it is its own name, and that of the file, which is its standard input here.
        let message = message.trim_start_matches("ginghamctl: ").trim_start_matches("-: ").to_owned();
        return Err(CompilationError::Refused(if message.is_empty() { status.to_string() } else { message }));
    }
    Ok(artefact)
}

fn read(from: Option<impl Read>, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(script: &str) -> CompilationError {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let ended = converse(&mut child, vec![0; 1 << 20]);
        let _ = (child.kill(), child.wait());
        ended.unwrap_err()
    }

    fn printed(nowhere: Option<&NetNs>, program: &str, argument: &str) -> String {
        let mut command = Command::new(program);
        command.arg(argument).stdout(Stdio::piped());
        let child = spawn_restricted(nowhere, command, GivesUp::CapabilitiesAlone).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn a_compiler_is_restricted_with_and_without_a_namespace() {
        let nowhere = NetNs::create().unwrap();
        let namespace = |of: Option<&NetNs>| printed(of, "/bin/readlink", "/proc/self/ns/net");
        let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap().display().to_string();
        assert_eq!(namespace(None).trim(), own);
        assert_eq!(namespace(Some(&nowhere)).trim(), format!("net:[{}]", nowhere.id().unwrap().inode));
        for of in [None, Some(&nowhere)] {
            let status = printed(of, "/bin/cat", "/proc/self/status");
            let has = |line: &str| status.lines().any(|found| found == line);
            assert!(has("Seccomp:\t2") && has("NoNewPrivs:\t1") && has("CapEff:\t0000000000000000"), "{status}");
        }
    }

    #[test]
    fn a_compiler_that_is_killed_has_refused_nothing() {
        let killed = ended("kill -KILL $$");
        assert!(matches!(killed, CompilationError::Killed { .. }) && !killed.is_of_component(), "{killed}");
        let refused = ended("echo no >&2; exit 1");
        assert!(refused.is_of_component() && refused.to_string().ends_with("refused: no"), "{refused}");
    }
}
