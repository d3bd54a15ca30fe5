//! The client: blocking calls, each with a deadline.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use gingham_ownership::shared_store::StoreFault;
use gingham_untrusted::file::read_text;
use http::HeaderValue;

use crate::config::{Config, Server};
use crate::connection::{Connection, LONGEST_IDLE};
use crate::permissions::{Permissions, Verb};
use crate::request::{Answer, CallError, Request};
use crate::resource::Resource;
use crate::tls::Tls;

/// In bytes: those of Kubernetes have less than a thousand.
const LARGEST_TOKEN: u64 = 1 << 16;

/// Connections that are kept while nothing is asked.
const MOST_IDLE: usize = 4;

/// The API server, for one or several threads: clones share connections. Nothing is opened before the first call.
#[derive(Clone)]
pub struct Api {
    shared: Arc<Shared>,
    permissions: Permissions,
}

struct Shared {
    config: Config,
    tls: Tls,
    idle: Mutex<Vec<Connection>>,
}

impl Api {
    /// Calls that are not among the permissions fail, and are not sent.
    pub fn new(config: Config, permissions: Permissions) -> Self {
        let shared = Shared { config, tls: Tls::default(), idle: Mutex::default() };
        Self { shared: Arc::new(shared), permissions }
    }

    pub(crate) fn require(&self, verb: Verb, resource: &Resource, part: Option<&str>) -> Result<(), CallError> {
        self.permissions.require(verb, resource, part)
    }

    pub fn server(&self) -> &Server {
        &self.shared.config.server
    }

    /// One request. It is sent once, except where it is certain that the first had no effect: a read whose connection
    /// broke, and whatever was refused because the token was replaced.
    ///
    /// # Errors
    /// [`CallError`] says whether the request may have been carried out. What the server refused is an [`Answer`].
    pub fn request(&self, request: &Request, deadline: Instant) -> Result<Answer, CallError> {
        let token = self.token().map_err(CallError::NotSent)?;
        let answer = self.send(request, token.as_ref(), deadline)?;
        if answer.code != 401 {
            return Ok(answer);
        }
        let renewed = self.token().map_err(CallError::NotSent)?;
        if renewed == token { Ok(answer) } else { self.send(request, renewed.as_ref(), deadline) }
    }

    fn send(&self, request: &Request, token: Option<&HeaderValue>, deadline: Instant) -> Result<Answer, CallError> {
        while let Some(mut connection) = self.idle() {
            match connection.call(request, token, deadline) {
                Ok(answer) => {
                    self.keep(connection);
                    return Ok(answer);
                }
                // The server may close an idle connection at the moment of its next use.
                Err(CallError::NotSent(_)) if Instant::now() < deadline => {}
                Err(CallError::NoAnswer(_)) if request.is_read() && Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
        }
        let mut connection = self.connect(deadline)?;
        let answer = connection.call(request, token, deadline)?;
        self.keep(connection);
        Ok(answer)
    }

    pub(crate) fn connect(&self, deadline: Instant) -> Result<Connection, CallError> {
        if Instant::now() >= deadline {
            let text = format!("no time is left to call {}", self.server());
            return Err(CallError::NotSent(StoreFault::Unreachable(text)));
        }
        Connection::open(&self.shared.config, &self.shared.tls, deadline).map_err(CallError::NotSent)
    }

    fn idle(&self) -> Option<Connection> {
        loop {
            let connection = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if connection.last_used.elapsed() < LONGEST_IDLE && connection.is_open() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }

    /// The header that shows who we are, from the token's file as it is now.
    pub(crate) fn token(&self) -> Result<Option<HeaderValue>, StoreFault> {
        self.shared.config.token.as_deref().map(bearer).transpose()
    }
}

fn bearer(path: &Path) -> Result<HeaderValue, StoreFault> {
    let denied = |reason: String| StoreFault::Denied(format!("cannot use the token in {}: {reason}", path.display()));
    let text = read_text(path, LARGEST_TOKEN).map_err(|error| denied(error.to_string()))?;
    // Without a token the server would answer that `system:anonymous` may not do this.
    let token = Some(text.trim()).filter(|token| !token.is_empty()).ok_or_else(|| denied("it is empty".to_owned()))?;
    let mut header = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| denied("it has characters that no token has".to_owned()))?;
    header.set_sensitive(true);
    Ok(header)
}
