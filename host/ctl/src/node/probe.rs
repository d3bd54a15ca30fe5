//! `ginghamctl node probe`: one question to the agent. The container of the agent has no other program that could ask it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::error::NodeError;
use crate::cli::{ProbeArguments, Question};
use crate::output::Output;

const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn run(arguments: &ProbeArguments, out: &mut Output) -> Result<(), NodeError> {
    let path = match arguments.question {
        Question::Ready => "/readyz",
        Question::Live => "/livez",
    };
    let ask = || -> io::Result<String> {
        let mut stream = UnixStream::connect(&arguments.socket)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|source| NodeError::NoAgent { socket: arguments.socket.clone(), source })?;
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
    let status = head.lines().next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    if status == "200" {
        return Ok(out.lines(&text)?);
    }
    Err(NodeError::NotYet { status: status.to_owned(), text: text.trim().to_owned() })
}
