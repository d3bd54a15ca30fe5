//! Requests to this node's agent, by HTTP/1.1 on its unix socket. Everything is bounded: the time, and what is read.
//!
//! The plugin asks for room: with the store `kubernetes` the agent alone can claim a block, because the plugin has no
//! credentials and makes no network call. `POST /networks/NETWORK/room?addresses=NUMBER`; the answer is a [`RoomAnswer`] as
//! JSON.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use serde::{Deserialize, Serialize};

/// In bytes, with the head.
const LARGEST_ANSWER: u64 = 16 << 10;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RoomAnswer {
    /// So many blocks came. None if other requests were served first.
    Claimed(u64),
    /// No block is unclaimed, in the policy's words.
    Exhausted(String),
    /// Why the agent cannot claim now.
    Failed(String),
    /// The store does not answer, which it did earlier in this agent's life.
    Unreachable(String),
    UnknownNetwork,
}

/// Why the agent made no room.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error(
        "gingham-node does not run on this node (cannot connect to {}: {source}); start it: with cluster.store \
         \"kubernetes\" it alone can claim a block",
        path.display()
    )]
    NotRunning { path: PathBuf, source: io::Error },
    #[error(
        "gingham-node did not answer on {} in time; its log (kubectl logs, journalctl -u gingham-node) shows what it waits \
         for",
        path.display()
    )]
    Silent { path: PathBuf },
    /// A process that may bind there could have blocks claimed, no more.
    #[error("{} belongs to a process of user {uid}, not to gingham-node: remove it and restart gingham-node", path.display())]
    Foreign { path: PathBuf, uid: u32 },
    #[error("cannot read the answer of gingham-node on {}: {reason}; install the same version of both", path.display())]
    Answer { path: PathBuf, reason: String },
    #[error(
        "gingham-node does not reconcile network {network}: put its configuration into the agent's --config-dir (its log \
         names what is wrong there)"
    )]
    UnknownNetwork { network: String },
    #[error("gingham-node cannot claim a block: {reason}")]
    Failed { reason: String },
    #[error("gingham-node cannot claim a block: {reason}")]
    Unreachable { reason: String },
    #[error("{reason}")]
    Exhausted { reason: String },
}

/// Has the agent claim blocks until so many addresses are free on each grid.
pub(crate) fn make_room(path: &Path, network: &str, addresses: u64, deadline: Instant) -> Result<(), AgentError> {
    let Answer { body, .. } = ask(path, "POST", &format!("/networks/{network}/room?addresses={addresses}"), deadline)?;
    match serde_json::from_str(&body) {
        Ok(RoomAnswer::Claimed(_)) => Ok(()),
        Ok(RoomAnswer::Exhausted(reason)) => Err(AgentError::Exhausted { reason }),
        Ok(RoomAnswer::Failed(reason)) => Err(AgentError::Failed { reason }),
        Ok(RoomAnswer::Unreachable(reason)) => Err(AgentError::Unreachable { reason }),
        Ok(RoomAnswer::UnknownNetwork) => Err(AgentError::UnknownNetwork { network: network.to_owned() }),
        Err(error) => Err(AgentError::Answer { path: path.to_owned(), reason: error.to_string() }),
    }
}

/// What the agent answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As HTTP numbers it.
    pub status: u16,
    pub body: String,
}

impl Answer {
    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, body: body.to_owned() })
    }
}

/// One request without a body. `target`: a path, perhaps with a query.
///
/// # Errors
/// All of [`AgentError`] that no content of an answer decides.
pub fn ask(path: &Path, method: &str, target: &str, deadline: Instant) -> Result<Answer, AgentError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AgentError::Silent { path: path.to_owned() },
        _ => AgentError::Answer { path: path.to_owned(), reason: error.to_string() },
    };
    let mut stream = open(path)?;
    let request = format!("{method} {target} HTTP/1.1\r\nHost: node\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    stream
        .set_write_timeout(Some(left(deadline)))
        .and_then(|()| stream.write_all(request.as_bytes()))
        .map_err(failed)?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        stream.set_read_timeout(Some(left(deadline))).map_err(failed)?;
        match stream.read(&mut piece).map_err(failed)? {
            0 => break,
            read => answer.extend_from_slice(&piece[..read]),
        }
        if answer.len() as u64 > LARGEST_ANSWER {
            return Err(AgentError::Answer { path: path.to_owned(), reason: "it is too long".to_owned() });
        }
    }
    let unreadable = |reason: &str| AgentError::Answer { path: path.to_owned(), reason: reason.to_owned() };
    let text = String::from_utf8(answer).map_err(|error| unreadable(&error.to_string()))?;
    Answer::parse(&text).ok_or_else(|| unreadable("it is no HTTP"))
}

/// Without waiting where the agent accepts no connection.
fn open(path: &Path) -> Result<UnixStream, AgentError> {
    let not_running = |errno: Errno| match errno {
        Errno::AGAIN => AgentError::Silent { path: path.to_owned() },
        errno => AgentError::NotRunning { path: path.to_owned(), source: errno.into() },
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(not_running)?;
    let address = SocketAddrUnix::new(path).map_err(not_running)?;
    connect(&socket, &address).map_err(not_running)?;
    let owner = socket_peercred(&socket).map_err(not_running)?.uid;
    if !owner.is_root() {
        return Err(AgentError::Foreign { path: path.to_owned(), uid: owner.as_raw() });
    }
    let stream = UnixStream::from(socket);
    let blocking = stream.set_nonblocking(false);
    blocking.map_err(|source| AgentError::NotRunning { path: path.to_owned(), source })?;
    Ok(stream)
}

/// A timeout of zero would be none.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// What a call comes to if the agent answers so.
    fn answered(answer: &'static str) -> Result<(), AgentError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let agent = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            // The client may have read enough.
            let _ = stream.write_all(answer.as_bytes());
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let done = make_room(&path, "pods", 2, Instant::now() + Duration::from_secs(5));
        assert!(agent.join().unwrap().starts_with("POST /networks/pods/room?addresses=2 HTTP/1.1\r\n"));
        done
    }

    #[test]
    fn answers_are_told_apart() {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n";
        assert!(answered(Box::leak(format!("{head}{{\"claimed\":1}}").into_boxed_str())).is_ok());
        let failed = answered("HTTP/1.1 200 OK\r\n\r\n{\"failed\":\"no API server\"}").unwrap_err();
        assert_eq!(failed.to_string(), "gingham-node cannot claim a block: no API server");
        assert!(matches!(
            answered("HTTP/1.1 200 OK\r\n\r\n{\"exhausted\":\"full\"}"),
            Err(AgentError::Exhausted { .. })
        ));
        let unknown = answered("HTTP/1.1 404 Not Found\r\n\r\n\"unknownNetwork\"").unwrap_err();
        assert!(unknown.to_string().contains("does not reconcile network pods"), "{unknown}");
        assert!(matches!(answered("HTTP/1.1 200 OK\r\n\r\n{\"later\":1}"), Err(AgentError::Answer { .. })));
        assert!(matches!(answered("what?"), Err(AgentError::Answer { .. })));
        let long = Box::leak("x".repeat(20_000).into_boxed_str());
        assert!(matches!(answered(long), Err(AgentError::Answer { .. })));
    }

    #[test]
    fn an_agent_that_is_missing_or_silent_is_named_in_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.sock");
        let begun = Instant::now();
        let missing = make_room(&path, "pods", 1, begun + Duration::from_secs(5)).unwrap_err();
        assert!(
            missing.to_string().starts_with("gingham-node does not run on this node (cannot connect to "),
            "{missing}"
        );
        let listener = UnixListener::bind(&path).unwrap();
        let silent = make_room(&path, "pods", 1, begun + Duration::from_millis(300)).unwrap_err();
        assert!(matches!(silent, AgentError::Silent { .. }), "{silent}");
        drop(listener);
        // What a killed agent leaves behind.
        assert!(matches!(make_room(&path, "pods", 1, begun), Err(AgentError::NotRunning { .. })));
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
}
