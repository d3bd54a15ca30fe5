//! A connection to a member that has shown that it is a working etcd, and that knows who we are.

use std::time::Instant;

use gingham_ownership::endpoint::Endpoint;
use gingham_ownership::etcd_settings::{EtcdSettings, Login, Password};
use gingham_ownership::shared_store::StoreFault;
use gingham_untrusted::file::read_text;
use http::HeaderValue;
use tokio::runtime::Runtime;

use crate::Seen;
use crate::connection::{CallError, Connection};
use crate::failure::{Failure, no_leader};
use crate::listing::Known;
use crate::message::{AuthenticateRequest, Header, Method, StatusRequest};
use crate::resolve::resolve;
use crate::tls::Tls;

/// See the module.
pub(crate) struct Session {
    connection: Connection,
    endpoint: Endpoint,
    login: Option<Login>,
    /// The last list.
    pub(crate) listed: Option<Known>,
}

impl Session {
    /// Connects, shows who we are, and looks whom we talk to. Nothing is written before that is known.
    pub(crate) fn open(
        runtime: &Runtime,
        settings: &EtcdSettings,
        index: usize,
        seen: &mut Seen,
        limit: Instant,
    ) -> Result<Self, Failure> {
        let endpoint = settings.endpoints[index].clone();
        let addresses = resolve(&endpoint, limit).map_err(Failure::unasked)?;
        let tls = settings.tls.as_ref().map(Tls::read).transpose().map_err(Failure::unasked)?;
        runtime.block_on(async {
            let connection = Connection::open(&endpoint, &addresses, tls.as_ref(), limit).await?;
            let mut session = Self { connection, endpoint, login: settings.login.clone(), listed: None };
            session.begin(seen, limit).await.map_err(|failure| Failure::unasked(failure.fault))?;
            Ok(session)
        })
    }

    async fn begin(&mut self, seen: &mut Seen, limit: Instant) -> Result<(), Failure> {
        // A rejected login is reported even where the member is in no state to serve.
        let status = self.ask(&StatusRequest {}, limit).await?;
        let header = status.header.unwrap_or_default();
        match seen.cluster {
            Some(cluster) if cluster != header.cluster_id => {
                return Err(Failure::unasked(StoreFault::Unusable(format!(
                    "{} belongs to another etcd than the one used before; see cluster.endpoints",
                    self.endpoint
                ))));
            }
            _ => seen.cluster = Some(header.cluster_id),
        }
        if status.leader == 0 {
            return Err(Failure::unasked(StoreFault::Unreachable(no_leader(&self.endpoint))));
        }
        self.log_in(limit).await
    }

    /// Whether the member is still there.
    pub(crate) async fn is_alive(&mut self, limit: Instant) -> bool {
        self.connection.is_alive(limit).await
    }

    /// One request; logs in again if etcd has dropped the token.
    pub(crate) async fn call<M: Method>(&mut self, question: &M, limit: Instant) -> Result<M::Answer, CallError> {
        match self.connection.call(question, limit).await {
            Err(CallError::Status(status)) if self.login.is_some() && status.wants_new_token() => {
                self.log_in(limit).await.map_err(|failure| CallError::Failure(Failure::unasked(failure.fault)))?;
                self.connection.call(question, limit).await
            }
            answered => answered,
        }
    }

    /// The same where only the answer will do.
    pub(crate) async fn ask<M: Method>(&mut self, question: &M, limit: Instant) -> Result<M::Answer, Failure> {
        self.call(question, limit).await.map_err(|error| self.failure(error))
    }

    /// What an error means for the call.
    pub(crate) fn failure(&self, error: CallError) -> Failure {
        match error {
            CallError::Failure(failure) => failure,
            CallError::Status(status) => status.failure(&self.endpoint),
        }
    }

    async fn log_in(&mut self, limit: Instant) -> Result<(), Failure> {
        let Some(login) = &self.login else { return Ok(()) };
        let question = AuthenticateRequest { name: login.user.clone(), password: password(login)? };
        self.connection.token = None;
        match self.connection.call(&question, limit).await {
            Ok(answer) => {
                self.connection.token = HeaderValue::try_from(answer.token).ok();
                Ok(())
            }
            // Credentials may be distributed before etcd requires them.
            Err(CallError::Status(status)) if status.is_auth_disabled() => Ok(()),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// Looks at what came with an answer: etcd never goes back.
    pub(crate) fn notice(&self, header: Option<&Header>, seen: &mut Seen) -> Result<(), Failure> {
        let revision = header.map_or(0, |header| header.revision);
        if revision < seen.revision {
            let text = format!(
                "{} was at revision {} and is at {revision} now: it lost data, possibly by a restore from a backup",
                self.endpoint, seen.revision
            );
            return Err(Failure::in_doubt(StoreFault::Unusable(text)));
        }
        seen.revision = revision;
        Ok(())
    }
}

/// In bytes.
const LONGEST_PASSWORD: u64 = 1 << 16;

fn password(login: &Login) -> Result<String, Failure> {
    match &login.password {
        Password::Text(secret) => Ok(secret.0.clone()),
        Password::File(path) => match read_text(path, LONGEST_PASSWORD) {
            Ok(text) => Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned()),
            Err(error) => {
                let text = format!("cluster.passwordFile: {} cannot be read: {error}", path.display());
                Err(Failure::unasked(StoreFault::Denied(text)))
            }
        },
    }
}
