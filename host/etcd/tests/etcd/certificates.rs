//! TLS with certificates made on the spot.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gingham_etcd::Etcd;
use gingham_ownership::etcd_settings::{EtcdSettings, TlsFiles};
use gingham_ownership::shared_store::{Reply, StoreFault};
use gingham_testbed::etcd::{Etcd as Members, Layout, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::testbed::{LOOPBACK, call, call_within, create, get, refused, settings, with_etcd, written};

/// An authority and where its certificates lie.
pub(crate) struct Authority {
    directory: PathBuf,
    name: String,
    issuer: Issuer<'static, KeyPair>,
}

/// When a certificate is good.
#[derive(Clone, Copy)]
enum Validity {
    Now,
    Past,
    Future,
}

impl Authority {
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
        Self { directory: directory.to_owned(), name: name.to_owned(), issuer: Issuer::new(params, key) }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.join(format!("{}.pem", self.name))
    }

    /// Signs a certificate; returns where it and its key are.
    fn sign(&self, name: &str, subject: &str, validity: Validity) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "root");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) = match validity {
            Validity::Now => (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1)),
            Validity::Past => (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1)),
            Validity::Future => (date_time_ymd(2119, 1, 1), date_time_ymd(2120, 1, 1)),
        };
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let (cert_file, key_file) =
            (self.directory.join(format!("{name}.pem")), self.directory.join(format!("{name}.key")));
        std::fs::write(&cert_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        (cert_file, key_file)
    }
}

fn serve(directory: &Path, server: (PathBuf, PathBuf), client_ca: Option<&Authority>) -> Members {
    let tls = ServerTls { cert: server.0, key: server.1, client_ca: client_ca.map(Authority::file) };
    Members::start(&Layout { tls: Some(tls), ..Layout::at(directory, LOOPBACK, 1) }).unwrap()
}

fn trusting(url: &str, ca: &Authority, identity: Option<(PathBuf, PathBuf)>) -> EtcdSettings {
    EtcdSettings { tls: Some(TlsFiles { ca: ca.file(), identity }), ..settings(&[url.to_owned()]) }
}

fn fault(settings: EtcdSettings) -> StoreFault {
    let mut store = Etcd::new(settings, "net");
    refused(call_within(&mut store, &create("config", "0"), Duration::from_secs(5)))
}

/// The fault is about credentials, and its text has all of this.
#[track_caller]
fn assert_denied(fault: &StoreFault, words: &[&str]) {
    let StoreFault::Denied(text) = fault else { panic!("{fault:?}") };
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} are not all in: {text}");
}

const URL: &str = "https://127.0.0.1:2379";

#[test]
fn both_sides_show_certificates() {
    with_etcd(|directory| {
        let ca = Authority::new(directory, "ca");
        let server = ca.sign("server", "127.0.0.1", Validity::Now);
        let _members = serve(directory, server, Some(&ca));
        let identity = ca.sign("client", "node-1", Validity::Now);
        let mut store = Etcd::new(trusting(URL, &ca, Some(identity.clone())), "net");
        written(call(&mut store, &create("config", "0")));
        assert!(matches!(call(&mut store, &get("config")), Reply::Got(Some(_))));

        assert_denied(&fault(trusting(URL, &ca, None)), &[URL, "cluster.cert"]);
        let expired = ca.sign("expired", "node-1", Validity::Past);
        assert_denied(&fault(trusting(URL, &ca, Some(expired))), &[URL, "cluster.cert", "expired"]);
        let stranger = Authority::new(directory, "stranger").sign("strange", "node-1", Validity::Now);
        assert_denied(&fault(trusting(URL, &ca, Some(stranger.clone()))), &[URL, "cluster.cert"]);
        let mixed = (identity.0, stranger.1);
        assert_denied(&fault(trusting(URL, &ca, Some(mixed))), &["cluster.key", "strange.key"]);
    });
}

#[test]
fn the_server_is_looked_at_too() {
    for (subject, validity, words) in [
        ("127.0.0.1", Validity::Past, ["certificate of this etcd", "expired"]),
        ("127.0.0.1", Validity::Future, ["not valid yet", "clock"]),
        ("192.0.2.1", Validity::Now, ["other names", "cluster.endpoints"]),
    ] {
        with_etcd(|directory| {
            let ca = Authority::new(directory, "ca");
            let _members = serve(directory, ca.sign("server", subject, validity), None);
            assert_denied(&fault(trusting(URL, &ca, None)), &[URL, words[0], words[1]]);
        });
    }
}

#[test]
fn an_unknown_authority_and_files_that_are_none() {
    with_etcd(|directory| {
        let (ca, other) = (Authority::new(directory, "ca"), Authority::new(directory, "other"));
        let _members = serve(directory, ca.sign("server", "127.0.0.1", Validity::Now), None);
        assert_denied(&fault(trusting(URL, &other, None)), &[URL, "cluster.ca", "other.pem"]);
        written(call(&mut Etcd::new(trusting(URL, &ca, None), "net"), &create("config", "0")));

        let missing = directory.join("missing.pem");
        let with_ca = |path: PathBuf| EtcdSettings {
            tls: Some(TlsFiles { ca: path, identity: None }),
            ..settings(&[URL.to_owned()])
        };
        assert_denied(&fault(with_ca(missing.clone())), &["cluster.ca", "missing.pem"]);
        std::fs::write(&missing, "no PEM").unwrap();
        assert_denied(&fault(with_ca(missing)), &["cluster.ca", "missing.pem", "no certificate"]);
    });
}

#[test]
fn http_where_https_is_wanted() {
    with_etcd(|directory| {
        let ca = Authority::new(directory, "ca");
        let _members = serve(directory, ca.sign("server", "127.0.0.1", Validity::Now), None);
        let fault = fault(settings(&["http://127.0.0.1:2379".to_owned()]));
        assert!(fault.to_string().contains("http://127.0.0.1:2379"), "{fault}");
        assert!(fault.to_string().contains("https"), "{fault}");
    });
}
