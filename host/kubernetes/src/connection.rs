//! One connection to the API server: TCP, TLS, HTTP/1.1, one request at a time.
//!
//! Each connection has an asynchronous runtime of its own, which runs only while a call waits. So a client that no thread
//! calls costs nothing, and its calls can come from any thread.

use std::error::Error as _;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use gingham_ownership::shared_store::StoreFault;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::config::{Config, Server};
use crate::request::{Answer, CallError, Request};
use crate::tls::Tls;

/// A list of 16,384 blocks has 12 MB.
const LARGEST_ANSWER: usize = 64 << 20;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("gingham/", env!("CARGO_PKG_VERSION")));

pub(crate) struct Connection {
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
    sender: SendRequest<Full<Bytes>>,
    server: Server,
    pub(crate) last_used: Instant,
}

impl Connection {
    pub(crate) fn open(config: &Config, tls: &Tls, limit: Instant) -> Result<Self, StoreFault> {
        let server = &config.server;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StoreFault::Unusable(format!("this process cannot use the network: {error}")))?;
        let opened = runtime.block_on(async {
            let late = || StoreFault::Unreachable(format!("{server} does not answer the attempt to connect in time"));
            within(limit, sender(config, tls, limit)).await.unwrap_or_else(|| Err(late()))
        });
        let sender = match opened {
            Ok(sender) => sender,
            Err(fault) => {
                // A name that is still being resolved is not waited for.
                runtime.shutdown_background();
                return Err(fault);
            }
        };
        Ok(Self { runtime: Some(runtime), sender, server: server.clone(), last_used: Instant::now() })
    }

    /// Whether the other side has not closed it, as far as this side was notified.
    pub(crate) fn is_open(&self) -> bool {
        let Some(runtime) = &self.runtime else { return false };
        runtime.block_on(async {
            // The first turn collects what the kernel reports, the second lets hyper read it.
            yield_now().await;
            yield_now().await;
        });
        !self.sender.is_closed()
    }

    /// One request and its whole answer.
    pub(crate) fn call(
        &mut self,
        request: &Request,
        token: Option<&HeaderValue>,
        limit: Instant,
    ) -> Result<Answer, CallError> {
        self.run(limit, request, token, async |response, server| {
            let code = response.status().as_u16();
            let body = collect(response.into_body(), server).await.map_err(CallError::NoAnswer)?;
            Ok(Answer { code, body })
        })
    }

    /// One request and the beginning of its answer.
    pub(crate) fn begin(
        &mut self,
        request: &Request,
        token: Option<&HeaderValue>,
        limit: Instant,
    ) -> Result<http::Response<Incoming>, CallError> {
        self.run(limit, request, token, async |response, _| Ok(response))
    }

    fn run<T>(
        &mut self,
        limit: Instant,
        request: &Request,
        token: Option<&HeaderValue>,
        read: impl AsyncFnOnce(http::Response<Incoming>, &Server) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let Self { runtime, sender, server, last_used } = self;
        let Some(runtime) = runtime else {
            return Err(CallError::NotSent(StoreFault::Unreachable(format!("{server}: the connection is closed"))));
        };
        let message = message(server, request, token, limit)?;
        let done = runtime.block_on(async {
            let late = || {
                let text = format!("{server} accepts the request, but does not answer in time");
                CallError::NoAnswer(StoreFault::Unreachable(text))
            };
            let work = async {
                let response = send(sender, message, server).await?;
                read(response, server).await
            };
            within(limit, work).await.unwrap_or_else(|| Err(late()))
        });
        *last_used = Instant::now();
        done
    }

    /// Runs what reads the rest of an answer.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.runtime.as_ref().map(|runtime| runtime.block_on(work))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Waits at most until `limit`.
pub(crate) async fn within<F: Future>(limit: Instant, work: F) -> Option<F::Output> {
    timeout(limit.saturating_duration_since(Instant::now()), work).await.ok()
}

async fn sender(config: &Config, tls: &Tls, limit: Instant) -> Result<SendRequest<Full<Bytes>>, StoreFault> {
    let stream = connect(&config.server, limit).await?;
    // A call is one small packet, and its caller waits.
    let _ = stream.set_nodelay(true);
    keep_alive(&stream);
    if config.server.tls {
        handshake(&config.server, tls.secure(config, stream).await?).await
    } else {
        handshake(&config.server, stream).await
    }
}

async fn handshake(
    server: &Server,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, StoreFault> {
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(server, &reason(&error)))?;
    // Its error is also the waiting call's.
    tokio::spawn(connection);
    Ok(sender)
}

async fn connect(server: &Server, limit: Instant) -> Result<TcpStream, StoreFault> {
    let found = lookup_host((server.host.as_str(), server.port)).await;
    let found =
        found.map_err(|error| unreachable(server, &format!("{:?} cannot be resolved: {error}", server.host)))?;
    let addresses: Vec<_> = found.collect();
    let mut reasons = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        // Each address gets its share of the time that is left.
        let left = limit.saturating_duration_since(Instant::now());
        let remaining = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match timeout(left / remaining, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => reasons.push(error.to_string()),
            Err(_) => reasons.push("no answer to the attempt to connect".to_owned()),
        }
    }
    reasons.dedup();
    Err(unreachable(server, &reasons.join(", ")))
}

/// A watch may be silent for long: only the kernel notices that the server is gone.
fn keep_alive(stream: &TcpStream) {
    let _ = sockopt::set_tcp_keepidle(stream, Duration::from_secs(10));
    let _ = sockopt::set_tcp_keepintvl(stream, Duration::from_secs(5));
    let _ = sockopt::set_tcp_keepcnt(stream, 2);
    let _ = sockopt::set_socket_keepalive(stream, true);
}

fn message(
    server: &Server,
    request: &Request,
    token: Option<&HeaderValue>,
    limit: Instant,
) -> Result<http::Request<Full<Bytes>>, CallError> {
    let mut message = http::Request::builder()
        .method(request.method.clone())
        .uri(request.target(&server.prefix, limit))
        .header(HOST, server.authority())
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, crate::request::JSON);
    if let Some(token) = token {
        message = message.header(AUTHORIZATION, token);
    }
    if !request.body.is_empty() {
        message = message.header(CONTENT_TYPE, request.content_type);
    }
    message.body(Full::new(request.body.clone())).map_err(|error| {
        let text = format!("{server}: no request can be made for {:?}: {error}", request.path);
        CallError::NotSent(StoreFault::Unusable(text))
    })
}

/// hyper hands a request back that it has not begun to write. After that its effect is unknown.
async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    message: http::Request<Full<Bytes>>,
    server: &Server,
) -> Result<http::Response<Incoming>, CallError> {
    sender.ready().await.map_err(|error| CallError::NotSent(unreachable(server, &reason(&error))))?;
    sender.try_send_request(message).await.map_err(|mut error| {
        let was_sent = error.take_message().is_none();
        let fault = explain(server, error.error());
        if was_sent { CallError::NoAnswer(fault) } else { CallError::NotSent(fault) }
    })
}

async fn collect(mut body: Incoming, server: &Server) -> Result<Bytes, StoreFault> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| explain(server, &error))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > LARGEST_ANSWER {
            return Err(StoreFault::Unusable(format!("{server}: an answer is larger than {LARGEST_ANSWER} bytes")));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

fn explain(server: &Server, error: &hyper::Error) -> StoreFault {
    if error.is_parse() {
        return StoreFault::Unusable(format!("{server} does not answer in HTTP/1.1: {}", reason(error)));
    }
    unreachable(server, &reason(error))
}

/// hyper leaves the cause to `source`.
pub(crate) fn reason(error: &hyper::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

pub(crate) fn unreachable(server: &Server, reason: &str) -> StoreFault {
    StoreFault::Unreachable(format!("{server}: {reason}"))
}

/// A connection that was idle for longer is not used again: what stands between may have forgotten it, and a write on it
/// would be one of which nothing is known.
pub(crate) const LONGEST_IDLE: Duration = Duration::from_secs(30);
