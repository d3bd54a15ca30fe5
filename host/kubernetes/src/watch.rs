//! A watch: what happens to the objects of a selection, from a version on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::api::Api;
use crate::connection::{self, Connection, within};
use crate::objects::{ApiError, Selection};
use crate::permissions::Verb;
use crate::request::{Answer, CallError, Request};
use crate::resource::Resource;
use crate::status::Status;

/// One event is one object, of at most 3 MB.
const LONGEST_LINE: usize = 8 << 20;

/// How long a server keeps a watch. Its own choice would be between half an hour and an hour.
const LENGTH: Duration = Duration::from_mins(30);

/// For the text of an error.
const ERROR_TIMEOUT: Duration = Duration::from_secs(2);

/// What happened to one object.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Added(Value),
    Modified(Value),
    /// The object as it was; its version is the one of the delete.
    Deleted(Value),
    /// Nothing happened up to this version.
    Bookmark(String),
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    Event(Event),
    /// Nothing came in the time that was given. This proves nothing: a watch from a version that the server has not
    /// reached is silent as well.
    Silence,
    /// The server has forgotten what happened since the version: list again.
    Expired(Status),
    /// The watch has ended: begin another from the version of the last event.
    Ended(String),
    /// [`Stop::stop`] was called.
    Stopped,
}

/// Ends watches from another thread.
#[derive(Clone, Default)]
pub struct Stop {
    inner: Arc<StopInner>,
}

#[derive(Default)]
struct StopInner {
    is_stopped: AtomicBool,
    /// Wakes one thread: each that waits needs a `Stop` of its own.
    wake: Notify,
}

pub struct Watch {
    connection: Connection,
    body: Incoming,
    read: BytesMut,
    /// Where in `read` no line ends.
    searched: usize,
    stop: Stop,
}

#[derive(Deserialize)]
struct Line {
    r#type: String,
    object: Value,
}

impl Api {
    /// Begins a watch of what happens after a version, which [`Api::list`] or an event gave.
    ///
    /// # Errors
    /// [`ApiError`]: it could not be begun by `deadline`.
    pub fn watch(
        &self,
        resource: &Resource,
        selection: &Selection,
        from: &str,
        stop: &Stop,
        deadline: Instant,
    ) -> Result<Watch, ApiError> {
        let request = selection
            .request(resource)
            .and("watch", "true")
            .and("allowWatchBookmarks", "true")
            .and("resourceVersion", from)
            .and("timeoutSeconds", LENGTH.as_secs().to_string());
        let what = format!("watch {}", resource.plural);
        if let Err(error) = self.require(Verb::Watch, resource, None) {
            return Err(ApiError::Call { what, error });
        }
        self.open(&request, stop, deadline).map_err(|error| match error {
            Refusal::Call(error) => ApiError::Call { what, error },
            Refusal::Answer(answer) => ApiError::Refused { what, status: answer.status() },
        })
    }

    fn open(&self, request: &Request, stop: &Stop, deadline: Instant) -> Result<Watch, Refusal> {
        let token = self.token().map_err(|fault| Refusal::Call(CallError::NotSent(fault)))?;
        let mut connection = self.connect(deadline)?;
        let response = connection.begin(request, token.as_ref(), deadline)?;
        let code = response.status().as_u16();
        let mut watch =
            Watch { connection, body: response.into_body(), read: BytesMut::new(), searched: 0, stop: stop.clone() };
        if code == 200 {
            return Ok(watch);
        }
        Err(Refusal::Answer(Answer { code, body: watch.rest() }))
    }
}

enum Refusal {
    Call(CallError),
    Answer(Answer),
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Watch {
    /// Waits for what comes next, for at most `patience`.
    pub fn next(&mut self, patience: Duration) -> Next {
        let Self { connection, body, read, searched, stop } = self;
        let stopped = stop.clone();
        let work = async {
            let line = async { timeout(patience, line(body, read, searched)).await };
            first(line, stopped.inner.wake.notified()).await
        };
        if stop.is_stopped() {
            return Next::Stopped;
        }
        match connection.wait(work) {
            None | Some(None) => Next::Stopped,
            Some(Some(Err(_))) => Next::Silence,
            Some(Some(Ok(Err(reason)))) => Next::Ended(reason),
            Some(Some(Ok(Ok(line)))) => event(&line),
        }
    }

    /// Of an answer that is no watch.
    fn rest(&mut self) -> Bytes {
        let Self { connection, body, .. } = self;
        let mut whole = BytesMut::new();
        let work = async {
            while let Some(Ok(frame)) = body.frame().await {
                if let Some(data) = frame.data_ref().filter(|data| whole.len() + data.len() < LONGEST_LINE) {
                    whole.extend_from_slice(data);
                }
            }
        };
        // What has come so far is the message.
        let _ = connection.wait(within(Instant::now() + ERROR_TIMEOUT, work));
        whole.freeze()
    }
}

/// The next line without its end.
async fn line(body: &mut Incoming, read: &mut BytesMut, searched: &mut usize) -> Result<BytesMut, String> {
    loop {
        if let Some(end) = read[*searched..].iter().position(|byte| *byte == b'\n') {
            let line = read.split_to(*searched + end);
            read.advance(1);
            *searched = 0;
            return Ok(line);
        }
        *searched = read.len();
        if read.len() > LONGEST_LINE {
            return Err(format!("an event is longer than {LONGEST_LINE} bytes"));
        }
        match body.frame().await {
            None => return Err("the server ended it".to_owned()),
            Some(Err(error)) => return Err(connection::reason(&error)),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    read.extend_from_slice(&data);
                }
            }
        }
    }
}

fn event(line: &[u8]) -> Next {
    let Line { r#type, object } = match serde_json::from_slice(line) {
        Ok(line) => line,
        Err(error) => return Next::Ended(format!("an event cannot be read: {error}")),
    };
    match r#type.as_str() {
        "ADDED" => Next::Event(Event::Added(object)),
        "MODIFIED" => Next::Event(Event::Modified(object)),
        "DELETED" => Next::Event(Event::Deleted(object)),
        "BOOKMARK" => match object["metadata"]["resourceVersion"].as_str() {
            Some(version) => Next::Event(Event::Bookmark(version.to_owned())),
            None => Next::Ended("a bookmark has no version".to_owned()),
        },
        "ERROR" => {
            let code = object["code"].as_u64().and_then(|code| code.try_into().ok()).unwrap_or(500);
            let status = Status::read(code, object.to_string().as_bytes());
            if status.is_expired() { Next::Expired(status) } else { Next::Ended(status.to_string()) }
        }
        other => Next::Ended(format!("unknown event {other:?}")),
    }
}

/// The output of `work`, or none if `end` is first.
async fn first<W: Future, E: Future>(work: W, end: E) -> Option<W::Output> {
    let (mut work, mut end) = (Box::pin(work), Box::pin(end));
    std::future::poll_fn(|context| {
        if end.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        work.as_mut().poll(context).map(Some)
    })
    .await
}

impl Stop {
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the watch that waits, and all that are begun later.
    pub fn stop(&self) {
        self.inner.is_stopped.store(true, Ordering::Release);
        self.inner.wake.notify_one();
    }

    pub fn is_stopped(&self) -> bool {
        self.inner.is_stopped.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_lines_of_json() {
        let object = serde_json::json!({"metadata": {"resourceVersion": "7"}});
        let of = |kind: &str| event(format!(r#"{{"type":"{kind}","object":{object}}}"#).as_bytes());
        assert_eq!(of("ADDED"), Next::Event(Event::Added(object.clone())));
        assert_eq!(of("DELETED"), Next::Event(Event::Deleted(object.clone())));
        assert_eq!(of("BOOKMARK"), Next::Event(Event::Bookmark("7".to_owned())));
        assert!(matches!(of("SOMETHING"), Next::Ended(_)));
        assert!(matches!(event(b"{"), Next::Ended(_)));
        let expired =
            br#"{"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","code":410}}"#;
        assert!(matches!(event(expired), Next::Expired(_)));
    }
}
