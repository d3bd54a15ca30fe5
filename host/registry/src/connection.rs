//! A registry and one of its repositories: the login that it asks for, and a bound for the whole.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri};
use tokio::runtime::Runtime;

use crate::authorization::{self, Challenge, Token};
use crate::credentials::{Credentials, Login, Places};
use crate::error::{RegistryError, shown};
use crate::failure;
use crate::reference::Reference;
use crate::transport::{Request, Response, Transport, TransportError, is_same_origin, resolve};

const LARGEST_TOKEN: u64 = 64 << 10;
/// Of an error, of which a line is shown.
const LARGEST_REASON: u64 = 16 << 10;

/// How registries are reached.
#[derive(Debug, Clone)]
pub struct Access {
    /// Certificates in PEM that are trusted instead of the machine's.
    pub ca: Option<PathBuf>,
    /// Without TLS.
    pub plain_http: bool,
    /// For all that is done with the registry.
    pub timeout: Duration,
}

pub(crate) struct Connection {
    runtime: Option<Runtime>,
    transport: Transport,
    places: Places,
    scheme: &'static str,
    timeout: Duration,
    end: Instant,
}

/// One repository, and the login that it asked for.
pub(crate) struct Session<'c> {
    connection: &'c Connection,
    pub(crate) reference: &'c Reference,
    authorization: Option<HeaderValue>,
    /// Looked for when the registry asks for a login.
    found: Option<Credentials>,
}

impl Connection {
    pub(crate) fn new(access: &Access) -> Result<Self, RegistryError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| RegistryError::Runtime { source })?;
        let transport = Transport::new(access.ca.as_deref(), access.plain_http);
        Ok(Self {
            runtime: Some(runtime),
            transport: transport.map_err(|error| failure::of(error, "the registry", "its certificates"))?,
            places: Places::of_environment(),
            scheme: if access.plain_http { "http" } else { "https" },
            timeout: access.timeout,
            end: Instant::now() + access.timeout,
        })
    }

    /// Runs what is to be done, within the time that is left.
    pub(crate) fn run<T>(
        &self,
        reference: &Reference,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let seconds = self.timeout.as_secs();
        let late = || RegistryError::Timeout { registry: reference.registry().to_owned(), seconds };
        let Some(runtime) = &self.runtime else { return Err(late()) };
        let bounded = async { tokio::time::timeout_at(self.end.into(), work).await };
        runtime.block_on(bounded).map_err(|_| late())?
    }

    pub(crate) fn session<'c>(&'c self, reference: &'c Reference) -> Session<'c> {
        Session { connection: self, reference, authorization: None, found: None }
    }
}

impl Drop for Connection {
    /// A name that is still being resolved is not waited for.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Session<'_> {
    fn registry(&self) -> String {
        self.reference.registry().to_owned()
    }

    /// Below `/v2/REPOSITORY/`.
    pub(crate) fn uri(&self, path: &str) -> Result<Uri, RegistryError> {
        let Self { connection, reference, .. } = self;
        let text = format!("{}://{}/v2/{}/{path}", connection.scheme, reference.registry(), reference.repository());
        text.parse().map_err(|error: http::uri::InvalidUri| self.malformed("its address", &error.to_string()))
    }

    pub(crate) fn request(
        &self,
        method: Method,
        uri: Uri,
        header: Option<(HeaderName, &'static str)>,
        body: Bytes,
    ) -> Result<Request, RegistryError> {
        let mut request = http::Request::builder().method(method).uri(uri);
        request = request.header(http::header::USER_AGENT, concat!("ginghamctl/", env!("CARGO_PKG_VERSION")));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        request.body(body.into()).map_err(|error| self.malformed("its address", &error.to_string()))
    }

    /// Sends a request, and once more with what the registry asked for if it asked for a login.
    pub(crate) async fn send(&mut self, request: Request) -> Result<Response, RegistryError> {
        let again = request.clone();
        let response = self.send_once(request).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !self.is_own(&response.uri) {
            return Ok(response);
        }
        self.log_in(&response).await?;
        self.send_once(again).await
    }

    async fn send_once(&self, mut request: Request) -> Result<Response, RegistryError> {
        // A registry may name places of another host, which must not see the password: CVE-2020-15157.
        if let Some(header) = self.authorization.as_ref().filter(|_| self.is_own(request.uri())) {
            request.headers_mut().insert(AUTHORIZATION, header.clone());
        }
        let path = request.uri().path();
        tracing::debug!(method = %request.method(), path, registry = self.reference.registry(), "request");
        self.connection.transport.send(request).await.map_err(|error| self.failed(error, "an answer"))
    }

    fn failed(&self, error: TransportError, what: &'static str) -> RegistryError {
        failure::of(error, self.reference.registry(), what)
    }

    fn is_own(&self, uri: &Uri) -> bool {
        self.uri("").is_ok_and(|own| is_same_origin(&own, uri))
    }

    async fn log_in(&mut self, response: &Response) -> Result<(), RegistryError> {
        let challenge = Challenge::of(response.inner.headers());
        if self.authorization.is_some() && challenge == Challenge::Basic {
            return Err(self.rejected());
        }
        if self.found.is_none() {
            self.found = Some(self.connection.places.find(self.reference)?);
        }
        let header = match challenge {
            Challenge::Basic => self.login().and_then(authorization::basic),
            Challenge::Bearer { realm, service, scope } => {
                let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", self.reference.repository()));
                let realm = self.realm(&realm)?;
                let request = authorization::token_request(&realm, service.as_deref(), &scope, self.login());
                let request = request.map_err(|error| self.malformed("its token server", &error.to_string()))?;
                authorization::bearer(&self.token(request).await?)
            }
            Challenge::Unsupported(scheme) => {
                return Err(RegistryError::Scheme { registry: self.registry(), scheme: shown(&scheme) });
            }
        };
        self.authorization = Some(header.ok_or_else(|| self.rejected())?);
        Ok(())
    }

    fn login(&self) -> Option<&Login> {
        match &self.found {
            Some(Credentials::Login { login, .. }) => Some(login),
            _ => None,
        }
    }

    /// Only a registry that is itself reached unencrypted may have credentials sent elsewhere unencrypted.
    fn realm(&self, text: &str) -> Result<Uri, RegistryError> {
        let refused = || RegistryError::Realm { registry: self.registry(), realm: shown(text) };
        resolve(&self.uri("")?, text).ok_or_else(refused)
    }

    async fn token(&self, request: Request) -> Result<Token, RegistryError> {
        let sent = self.connection.transport.send(request).await;
        let response = sent.map_err(|error| self.failed(error, "a token"))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => return Err(self.rejected()),
            status => return Err(self.status(status, "the login", None)),
        }
        let bytes = self.body(response, "the token", LARGEST_TOKEN).await?;
        // Not what the reader of JSON says: it may quote the token.
        serde_json::from_slice(&bytes).map_err(|_| self.malformed("a token", "it is not JSON with a token"))
    }

    fn rejected(&self) -> RegistryError {
        let registry = self.registry();
        match &self.found {
            Some(Credentials::Login { place, .. }) => RegistryError::LoginRejected { registry, place: place.clone() },
            Some(Credentials::None { searched }) => {
                RegistryError::LoginRequired { registry, searched: searched.clone() }
            }
            None => RegistryError::LoginRequired { registry, searched: Vec::new() },
        }
    }

    pub(crate) async fn body(
        &self,
        response: Response,
        what: &'static str,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        response.body(limit).await.map_err(|error| self.failed(error, what))
    }

    /// The error of a response that is not what was wanted.
    pub(crate) async fn refusal(&self, response: Response, operation: &str, what: &str) -> RegistryError {
        let status = response.status();
        match status {
            StatusCode::UNAUTHORIZED => self.rejected(),
            StatusCode::FORBIDDEN => {
                let account = match &self.found {
                    Some(Credentials::Login { place, .. }) => format!("the login from {place}"),
                    _ => "no login".to_owned(),
                };
                RegistryError::Forbidden { registry: self.registry(), operation: operation.to_owned(), account }
            }
            StatusCode::NOT_FOUND => RegistryError::NotFound { reference: what.to_owned() },
            StatusCode::TOO_MANY_REQUESTS => RegistryError::TooManyRequests { registry: self.registry() },
            status => {
                let bytes = response.body(LARGEST_REASON).await.unwrap_or_default();
                // What servers answer to a request that is not encrypted and should be.
                let is_perhaps_tls = status == StatusCode::BAD_REQUEST && self.connection.scheme == "http";
                let hint = || is_perhaps_tls.then(|| "if it speaks TLS, leave out --plain-http".to_owned());
                self.status(status, operation, failure::reason(&bytes).or_else(hint))
            }
        }
    }

    fn status(&self, status: StatusCode, operation: &str, reason: Option<String>) -> RegistryError {
        let (registry, operation) = (self.registry(), operation.to_owned());
        RegistryError::Status { registry, operation, status: status.as_u16(), reason }
    }

    pub(crate) fn malformed(&self, what: &'static str, reason: &str) -> RegistryError {
        RegistryError::Malformed { registry: self.registry(), what, reason: shown(reason) }
    }
}
