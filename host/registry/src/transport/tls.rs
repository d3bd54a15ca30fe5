//! TLS: the authorities of this machine, or those of a file.

use std::io;
use std::path::Path;
use std::sync::Arc;

use gingham_untrusted::file;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore};

use super::{TransportError, certificate, unreachable};

const LARGEST_CA: u64 = 1 << 20;

pub(super) struct Tls {
    connector: TlsConnector,
}

impl Tls {
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, TransportError> {
        let roots = match ca {
            Some(path) => of_file(path)?,
            None => of_machine(),
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unreachable(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)) })
    }

    pub(super) async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        stream: S,
    ) -> Result<TlsStream<S>, TransportError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| unreachable(&error))?;
        self.connector.connect(name, stream).await.map_err(|error| explain(&error))
    }
}

fn of_file(path: &Path) -> Result<RootCertStore, TransportError> {
    let pem = file::read(path, LARGEST_CA);
    let pem = pem.map_err(|source| TransportError::ReadCa { path: path.to_owned(), source })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate.ok().and_then(|certificate| roots.add(certificate).ok());
        added.ok_or_else(|| TransportError::Ca { path: path.to_owned() })?;
    }
    if roots.is_empty() { Err(TransportError::Ca { path: path.to_owned() }) } else { Ok(roots) }
}

/// A machine has some that rustls does not take; without the one that is needed, the handshake fails.
fn of_machine() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn explain(error: &io::Error) -> TransportError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match tls {
        Some(Error::InvalidMessage(_)) => TransportError::NoTls,
        Some(Error::InvalidCertificate(error)) => certificate::fault(error),
        _ => unreachable(error),
    }
}
