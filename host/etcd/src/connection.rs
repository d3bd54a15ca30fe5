//! One connection to one endpoint: TCP, TLS, HTTP/2, and gRPC's unary calls on it.
//!
//! A failure must show whether the call may have been carried out. Libraries for gRPC fold that away, so the few frames
//! of a unary call are written here.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use gingham_ownership::endpoint::Endpoint;
use gingham_ownership::shared_store::StoreFault;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE};
use http::{Request, Response};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::failure::{Failure, Status};
use crate::message::Method;
use crate::tls::{self, Tls};

/// An answer larger than this is none of etcd's, which has at most 1000 records of ours.
const LARGEST_ANSWER: usize = 64 << 20;

/// How much may be on its way to us before it is acknowledged.
const WINDOW: u32 = 4 << 20;

/// In front of each message: whether it is compressed, and its length.
const FRAME_HEADER: usize = 5;

/// A connection to etcd.
pub(crate) struct Connection {
    endpoint: Endpoint,
    has_identity: bool,
    requests: SendRequest<Bytes>,
    ping: PingPong,
    /// What shows who we are, once etcd has given it.
    pub(crate) token: Option<HeaderValue>,
}

/// Why a call brought no answer of its kind.
pub(crate) enum CallError {
    /// etcd answered with a status.
    Status(Status),
    /// There was no answer.
    Failure(Failure),
}

impl Connection {
    /// Connects to the first of the addresses that takes it.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        addresses: &[SocketAddr],
        tls: Option<&Tls>,
        limit: Instant,
    ) -> Result<Self, Failure> {
        let stream = connect(endpoint, addresses, limit).await?;
        // A call is one small packet, and its caller waits.
        let _ = stream.set_nodelay(true);
        match tls {
            None => Self::greet(endpoint, stream, false, limit).await,
            Some(tls) => {
                let stream = within(limit, tls.secure(endpoint, stream)).await.unwrap_or_else(|| {
                    let text = format!("{endpoint} accepts connections, but does not answer the TLS handshake in time");
                    Err(StoreFault::Unreachable(text))
                });
                Self::greet(endpoint, stream.map_err(Failure::unasked)?, tls.has_identity(), limit).await
            }
        }
    }

    /// The beginning of HTTP/2. Everything else happens in the background, while a call waits for its answer.
    async fn greet(
        endpoint: &Endpoint,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        has_identity: bool,
        limit: Instant,
    ) -> Result<Self, Failure> {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW).enable_push(false);
        let silent =
            || Failure::unasked(StoreFault::Unreachable(format!("{endpoint} accepts connections, but sends nothing")));
        let strange = |error: h2::Error| Failure::unasked(explain_greeting(endpoint, has_identity, &error));
        let greeted = within(limit, builder.handshake::<_, Bytes>(stream)).await.ok_or_else(silent)?;
        let (requests, mut connection) = greeted.map_err(strange)?;
        let no_pings =
            || Failure::unasked(StoreFault::Unusable(format!("{endpoint}: the connection cannot be watched")));
        let mut ping = connection.ping_pong().ok_or_else(no_pings)?;
        // A waiting call ends with it.
        let driver = tokio::spawn(connection);
        let greeted = within(limit, ping.ping(Ping::opaque())).await.ok_or_else(silent)?;
        if let Err(error) = greeted {
            // The ping knows only that it failed; the connection knows why.
            let ended = within(limit, driver).await.and_then(Result::ok);
            return Err(strange(ended.and_then(Result::err).unwrap_or(error)));
        }
        Ok(Self { endpoint: endpoint.clone(), has_identity, requests, ping, token: None })
    }

    /// Whether the other side is still there. A call on a dead connection would leave its effect in doubt.
    pub(crate) async fn is_alive(&mut self, limit: Instant) -> bool {
        matches!(within(limit, self.ping.ping(Ping::opaque())).await, Some(Ok(_)))
    }

    pub(crate) async fn call<M: Method>(&mut self, question: &M, limit: Instant) -> Result<M::Answer, CallError> {
        let response = self.send(question, limit).await.map_err(CallError::Failure)?;
        let answer = match within(limit, self.receive(response)).await {
            Some(answer) => answer,
            None => Err(CallError::Failure(Failure::in_doubt(StoreFault::Unreachable(format!(
                "{} accepts the request, but does not answer in time",
                self.endpoint
            ))))),
        };
        let message = answer?;
        M::Answer::decode(message).map_err(|error| {
            let text = format!("the answer of {} is not etcd's: {error}", self.endpoint);
            CallError::Failure(Failure::in_doubt(StoreFault::Unusable(text)))
        })
    }

    /// Until here nothing was sent; after it the effect is unknown.
    async fn send<M: Method>(&self, question: &M, limit: Instant) -> Result<ResponseFuture, Failure> {
        let unasked = |error: h2::Error| Failure::unasked(explain(&self.endpoint, self.has_identity, &error));
        let busy =
            || Failure::unasked(StoreFault::Unreachable(format!("{} accepts no request in time", self.endpoint)));
        let ready = within(limit, self.requests.clone().ready()).await.ok_or_else(busy)?;
        let mut requests = ready.map_err(unasked)?;
        let (response, mut body) = requests.send_request(self.request::<M>(limit), false).map_err(unasked)?;
        body.send_data(frame(question), true).map_err(unasked)?;
        Ok(response)
    }

    fn request<M: Method>(&self, limit: Instant) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = http::Method::POST;
        let scheme = if self.endpoint.tls { "https" } else { "http" };
        let uri = http::Uri::builder().scheme(scheme).authority(self.endpoint.authority()).path_and_query(M::PATH);
        // An endpoint's host has no character that a URI cannot have.
        *request.uri_mut() = uri.build().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        // A member that is cut off reports it immediately instead of letting us wait.
        headers.insert(HeaderName::from_static("hasleader"), HeaderValue::from_static("true"));
        let left = limit.saturating_duration_since(Instant::now()).as_millis().clamp(1, 99_999_999);
        if let Ok(left) = HeaderValue::try_from(format!("{left}m")) {
            headers.insert(HeaderName::from_static("grpc-timeout"), left);
        }
        if let Some(token) = &self.token {
            headers.insert(HeaderName::from_static("token"), token.clone());
        }
        request
    }

    async fn receive(&self, response: ResponseFuture) -> Result<Bytes, CallError> {
        let response = response.await.map_err(|error| self.lost(&error))?;
        self.require_grpc(&response)?;
        let (head, mut body) = response.into_parts();
        let message = self.collect(&mut body).await?;
        let trailers = body.trailers().await.map_err(|error| self.lost(&error))?;
        // Where there is nothing but a status, it is in the head.
        match trailers.as_ref().and_then(status).or_else(|| status(&head.headers)) {
            Some(Status { code: 0, .. }) => self.unframe(message),
            Some(status) => Err(CallError::Status(status)),
            None => Err(self.strange("its answer ends without a status")),
        }
    }

    fn require_grpc(&self, response: &Response<RecvStream>) -> Result<(), CallError> {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if response.status() == http::StatusCode::OK && kind.starts_with("application/grpc") {
            return Ok(());
        }
        Err(self.strange(&format!("it answers with HTTP status {} and {kind:?}", response.status().as_u16())))
    }

    async fn collect(&self, body: &mut RecvStream) -> Result<BytesMut, CallError> {
        let mut message = BytesMut::new();
        while let Some(data) = body.data().await {
            let data = data.map_err(|error| self.lost(&error))?;
            body.flow_control().release_capacity(data.len()).map_err(|error| self.lost(&error))?;
            if message.len() + data.len() > LARGEST_ANSWER {
                return Err(self.strange(&format!("its answer is larger than {LARGEST_ANSWER} bytes")));
            }
            message.extend_from_slice(&data);
        }
        Ok(message)
    }

    fn unframe(&self, message: BytesMut) -> Result<Bytes, CallError> {
        let mut message = message.freeze();
        let header = message.split_to(FRAME_HEADER.min(message.len()));
        match header[..] {
            [0, a, b, c, d] if u32::from_be_bytes([a, b, c, d]) as usize == message.len() => Ok(message),
            _ => Err(self.strange("its answer is not one plain message")),
        }
    }

    fn strange(&self, what: &str) -> CallError {
        let text = format!("{} is not etcd: {what}; see cluster.endpoints", self.endpoint);
        CallError::Failure(Failure::in_doubt(StoreFault::Unusable(text)))
    }

    /// The connection or the call broke after the question was sent.
    fn lost(&self, error: &h2::Error) -> CallError {
        let fault = explain(&self.endpoint, self.has_identity, error);
        // The one reason that HTTP/2 defines as "nothing was done with it".
        let is_refused = error.is_reset() && error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM);
        CallError::Failure(if is_refused { Failure::unasked(fault) } else { Failure::in_doubt(fault) })
    }
}

/// Waits at most until `limit`.
pub(crate) async fn within<F: Future>(limit: Instant, work: F) -> Option<F::Output> {
    timeout(limit.saturating_duration_since(Instant::now()), work).await.ok()
}

async fn connect(endpoint: &Endpoint, addresses: &[SocketAddr], limit: Instant) -> Result<TcpStream, Failure> {
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
    Err(Failure::unasked(StoreFault::Unreachable(format!("{endpoint}: {}", reasons.join(", ")))))
}

/// What an error of HTTP/2 means for who reads it.
fn explain(endpoint: &Endpoint, has_identity: bool, error: &h2::Error) -> StoreFault {
    if let Some(fault) = error.get_io().and_then(|error| tls::explain_alert(endpoint, has_identity, error)) {
        return fault;
    }
    if error.is_io() || error.is_remote() {
        return StoreFault::Unreachable(format!("{endpoint}: {error}"));
    }
    StoreFault::Unusable(format!("{endpoint} does not speak HTTP/2 as etcd does: {error}; see cluster.endpoints"))
}

/// The same for who has never been understood.
fn explain_greeting(endpoint: &Endpoint, has_identity: bool, error: &h2::Error) -> StoreFault {
    let scheme = if endpoint.tls { "http" } else { "https" };
    match explain(endpoint, has_identity, error) {
        StoreFault::Unreachable(_) => StoreFault::Unreachable(format!(
            "{endpoint} closes the connection without an answer ({error}); if that lasts, see cluster.endpoints: is it the \
             port of etcd's clients, and does it want {scheme}?"
        )),
        fault => fault,
    }
}

fn frame<M: Message>(message: &M) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(FRAME_HEADER + length);
    frame.put_u8(0);
    // A value that long was refused long before.
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    frame.put_slice(&message.encode_to_vec());
    frame.freeze()
}

fn status(headers: &HeaderMap) -> Option<Status> {
    let code = headers.get("grpc-status")?.to_str().ok()?.parse().ok()?;
    let message = headers.get("grpc-message").map(|message| unescape(message.as_bytes())).unwrap_or_default();
    Some(Status { code, message })
}

/// gRPC escapes what is not printable ASCII as `%XX`.
fn unescape(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_what_is_none_stays() {
        assert_eq!(unescape(b"a%20b%C3%A4 100% %zz %"), "a b\u{e4} 100% %zz %");
    }

    #[test]
    fn a_status_is_a_number_and_perhaps_a_text() {
        let mut headers = HeaderMap::new();
        assert_eq!(status(&headers), None);
        headers.insert("grpc-status", HeaderValue::from_static("14"));
        assert_eq!(status(&headers), Some(Status { code: 14, message: String::new() }));
        headers.insert("grpc-message", HeaderValue::from_static("no%20leader"));
        assert_eq!(status(&headers), Some(Status { code: 14, message: "no leader".to_owned() }));
    }
}
