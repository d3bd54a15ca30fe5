//! One request and what became of it.

use std::time::Instant;

use bytes::Bytes;
use form_urlencoded::Serializer;
use gingham_ownership::shared_store::StoreFault;
use http::Method;
use serde::de::DeserializeOwned;

use crate::status::Status;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    /// As [`crate::Resource::path`] makes it: escaped, it begins with `/`.
    pub path: String,
    /// Names and values, not escaped.
    pub query: Vec<(String, String)>,
    pub body: Bytes,
    /// Of the body.
    pub content_type: &'static str,
}

/// JSON is what all bodies are that are no patches.
pub const JSON: &str = "application/json";

/// What the server answered, whatever its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: u16,
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The request did not leave this process: it was not carried out and will not be.
    #[error("{0}")]
    NotSent(StoreFault),
    /// The request may have been carried out, or may be yet.
    #[error("{0}")]
    NoAnswer(StoreFault),
}

impl Request {
    pub fn get(path: String) -> Self {
        Self { method: Method::GET, path, query: Vec::new(), body: Bytes::new(), content_type: JSON }
    }

    /// With a body in JSON.
    pub fn with_body(method: Method, path: String, body: impl Into<Bytes>) -> Self {
        Self { method, path, query: Vec::new(), body: body.into(), content_type: JSON }
    }

    #[must_use]
    pub fn and(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    pub fn is_read(&self) -> bool {
        self.method == Method::GET
    }

    /// Path and query. A server that is in trouble tries writes for 34 s, long after the caller has given up, so it gets
    /// the time that is left. It ignores that for reads.
    pub(crate) fn target(&self, prefix: &str, limit: Instant) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&self.query);
        if !self.is_read() {
            let left = limit.saturating_duration_since(Instant::now()).as_millis().max(1);
            query.append_pair("timeout", &format!("{left}ms"));
        }
        let query = query.finish();
        if query.is_empty() { format!("{prefix}{}", self.path) } else { format!("{prefix}{}?{query}", self.path) }
    }
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The body as JSON of a kind.
    ///
    /// # Errors
    /// It is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// What the server reports of a request that it did not do, or of a delete that it did.
    pub fn status(&self) -> Status {
        Status::read(self.code, &self.body)
    }
}

impl CallError {
    pub fn fault(&self) -> &StoreFault {
        match self {
            Self::NotSent(fault) | Self::NoAnswer(fault) => fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped_and_writes_carry_the_time_that_is_left() {
        let limit = Instant::now();
        let read = Request::get("/apis/a".to_owned());
        assert_eq!(read.target("", limit), "/apis/a");
        assert_eq!(read.and("labelSelector", "a=b c&d").target("/x", limit), "/x/apis/a?labelSelector=a%3Db+c%26d");
        let write = Request::with_body(Method::POST, "/a".to_owned(), "{}");
        assert_eq!(write.target("", limit), "/a?timeout=1ms");
    }
}
