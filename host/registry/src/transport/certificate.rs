//! What is wrong with a registry's certificate, and what to do about it.

use tokio_rustls::rustls::CertificateError;

use super::TransportError;

const NAME_AUTHORITY: &str = "pass the file of its authority with --ca, or add that authority to this machine";

pub(super) fn fault(error: &CertificateError) -> TransportError {
    let (reason, remedy) = match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            ("no authority that is known here has signed it".to_owned(), NAME_AUTHORITY)
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("it has expired".to_owned(), "renew it, unless the clock of this machine is wrong")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("it is not valid yet".to_owned(), "wait, unless the clock of this machine is wrong")
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            (format!("it is for {}", listed(presented)), "use that name, or a certificate for this one")
        }
        // The verifier has no variant for it, and does not export its own error's type.
        other if other.to_string().contains("CaUsedAsEndEntity") => (
            "it is the certificate of an authority, not of a server".to_owned(),
            "make it with the basic constraint CA:FALSE: for `openssl req -x509` that is `-addext \
             basicConstraints=critical,CA:FALSE`",
        ),
        other => (other.to_string(), NAME_AUTHORITY),
    };
    TransportError::Certificate { reason, remedy }
}

/// The verifier has them as Rust prints values of its own type: `DnsName("registry.example")`.
fn listed(presented: &[String]) -> String {
    let names: Vec<&str> = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name)).collect();
    if names.is_empty() { "no name".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::{fs, thread};

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::{ServerConfig, ServerConnection};

    use super::super::tls::Tls;
    use super::*;

    /// Why a client that has the server's own certificate as its authority does not take it from `localhost`.
    fn refused(params: &CertificateParams, authority: &CertificateParams) -> (String, &'static str) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        fs::write(&ca, authority.self_signed(&key).unwrap().pem()).unwrap();
        let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(certificate.der().to_vec())], der)
            .unwrap();
        let (client, mut served) = UnixStream::pair().unwrap();
        let server = thread::spawn(move || {
            let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
            // It fails: the client hangs up.
            let _ = connection.complete_io(&mut served);
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connect = async {
            client.set_nonblocking(true).unwrap();
            let stream = tokio::net::UnixStream::from_std(client).unwrap();
            Tls::new(Some(&ca)).unwrap().secure("localhost", stream).await.err().unwrap()
        };
        let error = runtime.block_on(connect);
        server.join().unwrap();
        match error {
            TransportError::Certificate { reason, remedy } => (reason, remedy),
            other => panic!("{other:?}"),
        }
    }

    fn of(names: &[&str]) -> CertificateParams {
        CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn each_fault_says_what_it_is_and_what_helps() {
        let good = of(&["localhost"]);
        let mut authority = good.clone();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let mut expired = good.clone();
        expired.not_before = date_time_ymd(2000, 1, 1);
        expired.not_after = date_time_ymd(2001, 1, 1);
        let mut early = good.clone();
        early.not_before = date_time_ymd(4000, 1, 1);
        let mut stranger = good.clone();
        stranger.distinguished_name.push(rcgen::DnType::CommonName, "another one");
        let elsewhere = of(&["registry.example", "mirror.example"]);
        for (params, reason, remedy) in [
            (&authority, "it is the certificate of an authority, not of a server", "CA:FALSE"),
            (&expired, "it has expired", "renew it"),
            (&early, "it is not valid yet", "clock"),
            (&elsewhere, "it is for registry.example, mirror.example", "use that name"),
        ] {
            let (said, advice) = refused(params, params);
            assert!(said == reason && advice.contains(remedy), "{said}; {advice}");
        }
        let (said, advice) = refused(&good, &stranger);
        assert!(said == "no authority that is known here has signed it" && advice.contains("--ca"), "{said}; {advice}");
    }
}
