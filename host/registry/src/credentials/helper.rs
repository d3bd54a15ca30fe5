//! Credential helpers: programs named `docker-credential-NAME` that read a registry's name and write JSON.

use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;

use super::{Login, Secret};

/// A person may have to unlock a keyring.
const HELPER_TIMEOUT: Duration = Duration::from_mins(1);
const LARGEST_ANSWER: u64 = 64 << 10;

/// A helper that gave no credentials.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    #[error("invalid credential helper {name:?}: use letters, digits, '-', '_' and '.'")]
    Name { name: String },
    #[error("cannot run docker-credential-{name}: {source}; install it, or remove it from this file and log in again")]
    Run { name: String, source: io::Error },
    #[error("docker-credential-{name} did not answer within {} s", HELPER_TIMEOUT.as_secs())]
    Timeout { name: String },
    // Never what it printed: that may be the secret.
    #[error("docker-credential-{name} failed: run `echo {registry} | docker-credential-{name} get` to see why")]
    Failed { name: String, registry: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// What a helper has for a registry, if it has anything.
pub(super) fn get(name: &str, registry: &str) -> Result<Option<Login>, HelperError> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_part) {
        return Err(HelperError::Name { name: name.to_owned() });
    }
    let failed = || HelperError::Failed { name: name.to_owned(), registry: registry.to_owned() };
    let run = |source| HelperError::Run { name: name.to_owned(), source };
    let mut child = start(name, registry).map_err(run)?;
    let end = Instant::now() + HELPER_TIMEOUT;
    let bytes = answer_of(&mut child, end);
    let Some(success) = wait(&mut child, end).map_err(run)? else {
        return Err(HelperError::Timeout { name: name.to_owned() });
    };
    let bytes = bytes.ok_or_else(failed)?;
    // The sentence is part of the protocol, and comes with a failure.
    if !success && String::from_utf8_lossy(&bytes).contains("credentials not found") {
        return Ok(None);
    }
    let answer: Answer = serde_json::from_slice(&bytes).ok().filter(|_| success).ok_or_else(failed)?;
    Ok(Some(match answer.username.as_str() {
        "<token>" => Login::IdentityToken(Secret(answer.secret)),
        _ => Login::Password { user: answer.username, password: Secret(answer.secret) },
    }))
}

fn start(name: &str, registry: &str) -> io::Result<Child> {
    let mut command = Command::new(format!("docker-credential-{name}"));
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn()?;
    // One that ends without reading has its reasons.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(registry.as_bytes()));
    Ok(child)
}

/// What it prints until it closes its output, on a thread: one that never does is not waited for.
fn answer_of(child: &mut Child, end: Instant) -> Option<Vec<u8>> {
    let stdout = child.stdout.take()?;
    let (sender, answer) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(LARGEST_ANSWER).read_to_end(&mut bytes);
        let _ = sender.send(read.ok().map(|_| bytes));
    });
    answer.recv_timeout(end.saturating_duration_since(Instant::now())).ok().flatten()
}

/// Whether it succeeded; nothing if it had to be killed.
fn wait(child: &mut Child, end: Instant) -> io::Result<Option<bool>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if Instant::now() >= end {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    // With all that it started.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        kill_process_group(group, Signal::KILL)?;
    }
    child.wait()?;
    Ok(None)
}
