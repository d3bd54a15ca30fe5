//! HTTP/1.1 with TLS: a connection for each request, the proxies of the environment, bounded redirects, bounded bodies.

mod certificate;
mod connect;
mod location;
mod tls;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, HOST, HeaderValue, LOCATION};
use http::{Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use connect::Connector;
pub(crate) use location::{is_same_origin, resolve};

const REDIRECTS: usize = 5;

/// How long the other side may be silent.
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) type Request = http::Request<Full<Bytes>>;

/// With the address that it came from, after redirects.
pub(crate) struct Response {
    pub(crate) uri: Uri,
    pub(crate) inner: http::Response<Incoming>,
}

/// Why there is no whole response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("cannot read the certificates in {}: {source}", path.display())]
    ReadCa { path: PathBuf, source: gingham_untrusted::file::FileError },
    #[error("{}: no usable certificate", path.display())]
    Ca { path: PathBuf },
    #[error("{reason}")]
    Unreachable { reason: String },
    #[error("{reason}; {remedy}")]
    Certificate { reason: String, remedy: &'static str },
    #[error("no TLS")]
    NoTls,
    #[error("silent")]
    Stalled,
    #[error("redirect to {to}")]
    Redirect { to: String },
    #[error("compressed ({encoding})")]
    Compressed { encoding: String },
    #[error("larger than {limit} bytes")]
    TooLarge { limit: u64 },
}

pub(crate) struct Transport {
    connector: Connector,
}

impl Transport {
    pub(crate) fn new(ca: Option<&std::path::Path>, plain_http: bool) -> Result<Self, TransportError> {
        Ok(Self { connector: Connector::new(ca, plain_http)? })
    }

    /// Sends a request and follows redirects of what only reads. Another host never sees the login.
    pub(crate) async fn send(&self, mut request: Request) -> Result<Response, TransportError> {
        for _ in 0..=REDIRECTS {
            let response = self.send_once(request.clone()).await?;
            let only_reads = matches!(*request.method(), Method::GET | Method::HEAD);
            let location = response.inner.headers().get(LOCATION).filter(|_| only_reads);
            let (true, Some(location)) = (is_redirect(response.inner.status()), location) else { return Ok(response) };
            let to = String::from_utf8_lossy(location.as_bytes()).into_owned();
            let uri = resolve(request.uri(), &to).ok_or(TransportError::Redirect { to })?;
            if !is_same_origin(request.uri(), &uri) {
                request.headers_mut().remove(AUTHORIZATION);
            }
            *request.uri_mut() = uri;
        }
        Err(TransportError::Redirect { to: request.uri().to_string() })
    }

    async fn send_once(&self, mut request: Request) -> Result<Response, TransportError> {
        let uri = request.uri().clone();
        let mut connection = self.connector.connect(&uri).await?;
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let host = HeaderValue::from_str(host).map_err(|error| unreachable(&error))?;
        request.headers_mut().insert(HOST, host);
        if let Some(header) = connection.proxy_authorization.take() {
            request.headers_mut().insert(http::header::PROXY_AUTHORIZATION, header);
        }
        // Only a proxy wants to know the host here.
        if !connection.through_proxy {
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            *request.uri_mut() = path.parse().map_err(|error| unreachable(&error))?;
        }
        // An upload may take long before the first word of the answer. The whole has its bound.
        let is_upload = request.body().size_hint().upper() != Some(0);
        let sending = connection.sender.send_request(request);
        let inner = if is_upload {
            sending.await
        } else {
            timeout(STALL_TIMEOUT, sending).await.map_err(|_| TransportError::Stalled)?
        };
        Ok(Response { uri, inner: inner.map_err(|error| unreachable(&error))? })
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The innermost reason: those around it say that it was a connection.
fn unreachable(error: &dyn std::error::Error) -> TransportError {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    TransportError::Unreachable { reason: error.to_string() }
}

impl Response {
    pub(crate) fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// All of it, as it was sent, if it is not more than so many bytes.
    pub(crate) async fn body(self, limit: u64) -> Result<Vec<u8>, TransportError> {
        let encoding =
            self.inner.headers().get(CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()));
        if let Some(encoding) = encoding.filter(|encoding| encoding != "identity") {
            return Err(TransportError::Compressed { encoding: encoding.into_owned() });
        }
        let mut body = self.inner.into_body();
        if body.size_hint().lower() > limit {
            return Err(TransportError::TooLarge { limit });
        }
        let mut bytes = Vec::new();
        while let Some(frame) = timeout(STALL_TIMEOUT, body.frame()).await.map_err(|_| TransportError::Stalled)? {
            let frame = frame.map_err(|error| unreachable(&error))?;
            let data = frame.into_data().unwrap_or_default();
            if (bytes.len() + data.len()) as u64 > limit {
                return Err(TransportError::TooLarge { limit });
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    }
}
