//! `ginghamctl node probe`: one question to the agent. The container of the agent has no other program that could ask it.

use std::time::{Duration, Instant};

use gingham_cluster::{Answer, ask};

use super::error::NodeError;
use crate::cli::{ProbeArguments, Question};
use crate::output::Output;

const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn run(arguments: &ProbeArguments, out: &mut Output) -> Result<(), NodeError> {
    let path = match arguments.question {
        Question::Ready => "/readyz",
        Question::Live => "/livez",
    };
    match ask(&arguments.socket, "GET", path, Instant::now() + TIMEOUT)? {
        Answer { status: 200, body } => Ok(out.lines(&body)?),
        Answer { status, body } => Err(NodeError::NotYet { status, text: body.trim().to_owned() }),
    }
}
