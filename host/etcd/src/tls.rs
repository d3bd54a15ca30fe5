//! TLS: the files, the handshake, and what its failures mean for the configuration.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gingham_ownership::endpoint::Endpoint;
use gingham_ownership::etcd_settings::TlsFiles;
use gingham_ownership::shared_store::StoreFault;
use gingham_untrusted::file;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{AlertDescription, CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore};

use crate::rewound::Rewound;

/// How long the other side may be silent after the handshake.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// The largest file of certificates or keys, in bytes: all authorities of a distribution have a fifth of it.
const LARGEST_FILE: u64 = 1 << 20;

/// What is needed to begin TLS.
pub(crate) struct Tls {
    connector: TlsConnector,
    files: TlsFiles,
}

impl Tls {
    /// Reads the files. They are read once for each connection, so that renewed ones are found.
    pub(crate) fn read(files: &TlsFiles) -> Result<Self, StoreFault> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates("ca", &files.ca)? {
            roots.add(certificate).map_err(|error| denied("ca", &files.ca, &error))?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| StoreFault::Unusable(format!("TLS cannot be used: {error}")))?
            .with_root_certificates(roots);
        let mut config = match &files.identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let chain = certificates("cert", cert)?;
                let private = PrivateKeyDer::from_pem_slice(&contents("key", key)?)
                    .map_err(|error| denied("key", key, &error))?;
                builder.with_client_auth_cert(chain, private).map_err(|error| denied("key", key, &error))?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), files: files.clone() })
    }

    pub(crate) fn has_identity(&self) -> bool {
        self.files.identity.is_some()
    }

    /// The handshake, and the first bytes that come after it.
    ///
    /// With TLS 1.3 our certificate is checked after the handshake. A client that writes then loses the alert: the other side
    /// resets a connection with bytes that it did not read. A server of HTTP/2 speaks first, so we wait for that.
    pub(crate) async fn secure(
        &self,
        endpoint: &Endpoint,
        stream: TcpStream,
    ) -> Result<Rewound<TlsStream<TcpStream>>, StoreFault> {
        let name = ServerName::try_from(endpoint.host.clone())
            .map_err(|_| StoreFault::Unusable(format!("{endpoint}: no certificate can be issued for such a name")))?;
        let explain = |error: io::Error| self.explain(endpoint, &error);
        let mut stream = self.connector.connect(name, stream).await.map_err(explain)?;
        let mut first = [0; 256];
        match timeout(FIRST_WORD, stream.read(&mut first)).await {
            Ok(read) => {
                let length = read.map_err(explain)?;
                Ok(Rewound::new(Bytes::copy_from_slice(&first[..length]), stream))
            }
            // It may wait for us.
            Err(_) => Ok(Rewound::new(Bytes::new(), stream)),
        }
    }

    fn explain(&self, endpoint: &Endpoint, error: &io::Error) -> StoreFault {
        if let Some(fault) = explain_alert(endpoint, self.has_identity(), error) {
            return fault;
        }
        let Some(tls) = tls_error(error) else {
            return StoreFault::Unreachable(format!(
                "{endpoint} aborts the TLS handshake ({error}); if that lasts, see cluster.endpoints: does this port \
                 speak TLS, or http?"
            ));
        };
        let ca = self.files.ca.display();
        match tls {
            Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
                StoreFault::Denied(format!("{endpoint}: the certificate of this etcd has expired; renew it"))
            }
            Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
                StoreFault::Denied(format!(
                    "{endpoint}: the certificate of this etcd is not valid yet; check the clock of this machine"
                ))
            }
            Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                StoreFault::Denied(format!(
                    "{endpoint}: the certificate of this etcd was not signed by an authority of cluster.ca ({ca})"
                ))
            }
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => StoreFault::Denied(format!(
                "{endpoint}: the certificate of this etcd is for other names than {:?}; see cluster.endpoints",
                endpoint.host
            )),
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => StoreFault::Unusable(format!(
                "{endpoint} does not speak TLS; write http in cluster.endpoints, or another port"
            )),
            other => StoreFault::Denied(format!("{endpoint}: TLS fails: {other}")),
        }
    }
}

/// What the other side's alert means, if the error is one.
pub(crate) fn explain_alert(endpoint: &Endpoint, has_identity: bool, error: &io::Error) -> Option<StoreFault> {
    let alert = match tls_error(error) {
        Some(Error::AlertReceived(alert)) => *alert,
        Some(_) => return None,
        // HTTP/2 passes an error of its stream on as text.
        None => named_alert(&error.to_string())?,
    };
    let text = match alert {
        AlertDescription::CertificateRequired | AlertDescription::BadCertificate if !has_identity => {
            format!("{endpoint} requires a client certificate; set cluster.cert and cluster.key")
        }
        AlertDescription::CertificateExpired => {
            format!("{endpoint} reports that the certificate of cluster.cert has expired")
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateRequired
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => {
            format!(
                "{endpoint} rejects the certificate of cluster.cert: it may have expired, or be signed by an \
                     authority unknown to this etcd ({alert:?})"
            )
        }
        other => format!("{endpoint}: TLS fails: the other side reports {other:?}"),
    };
    Some(StoreFault::Denied(text))
}

fn named_alert(text: &str) -> Option<AlertDescription> {
    let known = [
        AlertDescription::CertificateRequired,
        AlertDescription::BadCertificate,
        AlertDescription::CertificateExpired,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::CertificateRevoked,
        AlertDescription::CertificateUnknown,
        AlertDescription::UnknownCA,
        AlertDescription::AccessDenied,
        AlertDescription::HandshakeFailure,
    ];
    known.into_iter().find(|alert| text.contains(&Error::AlertReceived(*alert).to_string()))
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, StoreFault> {
    let read = CertificateDer::pem_slice_iter(&contents(key, path)?).collect::<Result<Vec<_>, _>>();
    let certificates = read.map_err(|error| denied(key, path, &error))?;
    if certificates.is_empty() {
        return Err(denied(key, path, &"it contains no certificate; use a PEM file"));
    }
    Ok(certificates)
}

fn contents(key: &str, path: &Path) -> Result<Vec<u8>, StoreFault> {
    file::read(path, LARGEST_FILE).map_err(|error| denied(key, path, &error))
}

fn denied(key: &str, path: &Path, reason: &dyn std::fmt::Display) -> StoreFault {
    StoreFault::Denied(format!("cluster.{key}: {} cannot be used: {reason}", path.display()))
}
