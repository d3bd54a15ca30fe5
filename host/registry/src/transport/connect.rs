//! Connections: to the host, or through a proxy.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::uri::Scheme;
use http::{Method, Uri};
use http_body_util::{Empty, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::tls::Tls;
use super::{TransportError, unreachable};

/// For each address, and for each handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// For one request.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    /// The request itself is the proxy's: without TLS there is no tunnel.
    pub(super) through_proxy: bool,
    pub(super) proxy_authorization: Option<HeaderValue>,
}

pub(super) struct Connector {
    tls: Option<Tls>,
    proxies: Matcher,
}

impl Connector {
    pub(super) fn new(ca: Option<&Path>, plain_http: bool) -> Result<Self, TransportError> {
        let tls = if plain_http { None } else { Some(Tls::new(ca)?) };
        Ok(Self { tls, proxies: Matcher::from_env() })
    }

    pub(super) async fn connect(&self, uri: &Uri) -> Result<Connection, TransportError> {
        let (host, port) = host_and_port(uri)?;
        let proxy = self.proxies.intercept(uri);
        let is_tls = uri.scheme() != Some(&Scheme::HTTP);
        let stream: Box<dyn Stream> = match &proxy {
            None => Box::new(tcp(host, port).await?),
            Some(proxy) => by_proxy(proxy, uri, is_tls).await?,
        };
        let stream: Box<dyn Stream> = match (&self.tls, is_tls) {
            (Some(tls), true) => Box::new(in_time(tls.secure(host, stream)).await?),
            (None, false) => stream,
            // A redirect of a registry that is reached without TLS, or to what is reached without it.
            (None, true) => Box::new(in_time(Tls::new(None)?.secure(host, stream)).await?),
            (Some(_), false) => return Err(TransportError::Redirect { to: uri.to_string() }),
        };
        let through_proxy = proxy.is_some() && !is_tls;
        let proxy_authorization = proxy.filter(|_| through_proxy).and_then(|proxy| proxy.basic_auth().cloned());
        let (sender, connection) =
            in_time(async { http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error)) })
                .await?;
        tokio::spawn(connection);
        Ok(Connection { sender, through_proxy, proxy_authorization })
    }
}

async fn by_proxy(proxy: &Intercept, uri: &Uri, is_tls: bool) -> Result<Box<dyn Stream>, TransportError> {
    let named = |reason: &str| TransportError::Unreachable { reason: format!("proxy {}: {reason}", proxy.uri()) };
    if proxy.uri().scheme() != Some(&Scheme::HTTP) {
        return Err(named("only http:// proxies are supported"));
    }
    let (host, port) = host_and_port(proxy.uri())?;
    let stream = tcp(host, port).await.map_err(|error| named(&error.to_string()))?;
    if is_tls { in_time(tunnel(stream, proxy, uri)).await } else { Ok(Box::new(stream)) }
}

/// Asks a proxy for a connection to the host.
async fn tunnel(stream: TcpStream, proxy: &Intercept, uri: &Uri) -> Result<Box<dyn Stream>, TransportError> {
    let (host, port) = host_and_port(uri)?;
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut request = http::Request::builder().method(Method::CONNECT).uri(&authority).header(HOST, &authority);
    if let Some(header) = proxy.basic_auth() {
        request = request.header(PROXY_AUTHORIZATION, header);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| unreachable(&error))?;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| unreachable(&error))?;
    tokio::spawn(connection.with_upgrades());
    let response = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
    if !response.status().is_success() {
        let reason = format!("proxy {} answered {}", proxy.uri(), response.status().as_u16());
        return Err(TransportError::Unreachable { reason });
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(|error| unreachable(&error))?;
    Ok(Box::new(TokioIo::new(upgraded)))
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, TransportError> {
    let addresses = lookup_host((host, port)).await.map_err(|error| unreachable(&error))?;
    let mut last = unreachable(&io::Error::from(io::ErrorKind::AddrNotAvailable));
    for address in addresses {
        let connecting = async { TcpStream::connect(address).await.map_err(|error| unreachable(&error)) };
        match in_time(connecting).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn in_time<T>(work: impl Future<Output = Result<T, TransportError>>) -> Result<T, TransportError> {
    let late = || TransportError::Unreachable { reason: format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()) };
    timeout(CONNECT_TIMEOUT, work).await.map_err(|_| late())?
}

fn host_and_port(uri: &Uri) -> Result<(&str, u16), TransportError> {
    let host = uri.host().ok_or_else(|| TransportError::Unreachable { reason: "no host".to_owned() })?;
    let default = if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
    Ok((host.trim_start_matches('[').trim_end_matches(']'), uri.port_u16().unwrap_or(default)))
}
