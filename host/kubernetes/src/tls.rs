//! TLS: certificates, the handshake, and what its failures mean for the configuration.

use std::fmt::Display;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use gingham_ownership::shared_store::StoreFault;
use gingham_untrusted::file;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore};

use crate::config::{Config, Pem};

/// In bytes: all authorities of a distribution have a fifth of it.
const LARGEST_FILE: u64 = 1 << 20;

/// Sessions are resumed only within one `ClientConfig`, so it is kept while the files are the same.
#[derive(Default)]
pub(crate) struct Tls {
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    /// The authority's file.
    authority: Vec<u8>,
    config: Arc<ClientConfig>,
}

impl Tls {
    pub(crate) async fn secure(&self, config: &Config, stream: TcpStream) -> Result<TlsStream<TcpStream>, StoreFault> {
        let server = &config.server;
        let name = ServerName::try_from(server.host.clone())
            .map_err(|_| StoreFault::Unusable(format!("{server}: no certificate can be issued for such a name")))?;
        let connector = TlsConnector::from(self.client(config)?);
        connector.connect(name, stream).await.map_err(|error| explain(config, &error))
    }

    fn client(&self, config: &Config) -> Result<Arc<ClientConfig>, StoreFault> {
        let authority = bytes(&config.authority)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref().filter(|kept| kept.authority == authority) {
            return Ok(Arc::clone(&kept.config));
        }
        let made = Arc::new(client(&config.authority, &authority)?);
        *kept = Some(Kept { authority, config: Arc::clone(&made) });
        Ok(made)
    }
}

fn client(authority: &Pem, text: &[u8]) -> Result<ClientConfig, StoreFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority, text)? {
        roots.add(certificate).map_err(|error| unusable(authority, &error))?;
    }
    let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreFault::Unusable(format!("TLS cannot be used: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // With HTTP/2 as well an API server would choose that.
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(client)
}

fn certificates(pem: &Pem, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, StoreFault> {
    let read = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    let certificates = read.map_err(|error| unusable(pem, &error))?;
    if certificates.is_empty() {
        return Err(unusable(pem, &"it contains no certificate; use PEM"));
    }
    Ok(certificates)
}

fn bytes(pem: &Pem) -> Result<Vec<u8>, StoreFault> {
    match pem {
        Pem::Text(text) => Ok(text.clone()),
        Pem::File(path) => file::read(path, LARGEST_FILE).map_err(|error| unusable(pem, &error)),
    }
}

fn unusable(pem: &Pem, reason: &dyn Display) -> StoreFault {
    StoreFault::Denied(format!("cannot use {}: {reason}", source(pem)))
}

fn source(pem: &Pem) -> String {
    match pem {
        Pem::File(path) => path.display().to_string(),
        Pem::Text(_) => "the configured certificate or key".to_owned(),
    }
}

fn explain(config: &Config, error: &io::Error) -> StoreFault {
    let Config { server, authority, .. } = config;
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return StoreFault::Unreachable(format!("{server} aborts the TLS handshake: {error}"));
    };
    match tls {
        Error::InvalidCertificate(certificate) => StoreFault::Denied(match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!(
                    "{server}: its certificate has expired; renew the certificates of the control plane, or check the clock of this machine"
                )
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("{server}: its certificate is not valid yet; check the clock of this machine")
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                format!("{server}: its certificate was not signed by an authority of {}", source(authority))
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("{server}: its certificate is for other names than {:?}", server.host)
            }
            other => format!("{server}: its certificate is invalid: {other}"),
        }),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            StoreFault::Unusable(format!("{server} does not speak TLS; use http, or another port"))
        }
        other => StoreFault::Denied(format!("{server}: TLS fails: {other}")),
    }
}
