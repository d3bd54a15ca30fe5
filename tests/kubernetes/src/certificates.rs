//! The authority of a cluster, the API server's certificate, and the key that signs tokens of service accounts.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// Files in PEM.
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) server: PathBuf,
    pub(crate) server_key: PathBuf,
    pub(crate) accounts_key: PathBuf,
    pub(crate) accounts_public_key: PathBuf,
}

impl Certificates {
    /// A server with these names and addresses.
    pub(crate) fn create(directory: &Path, names: &[String]) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority();
        let certificate = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate().unwrap();
        let signed = server(names).signed_by(&own, &issuer).unwrap();
        let accounts = KeyPair::generate().unwrap();
        let write = |name: &str, text: String| {
            let path = directory.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        Self {
            authority: write("ca.crt", certificate.pem()),
            server: write("server.crt", signed.pem()),
            server_key: write("server.key", own.serialize_pem()),
            accounts_key: write("accounts.key", accounts.serialize_pem()),
            accounts_public_key: write("accounts.pub", accounts.public_key_pem()),
        }
    }

    /// From now on tokens of service accounts are signed by another key; an API server that starts after it refuses the
    /// tokens of before.
    pub(crate) fn replace_accounts_key(&self) {
        let accounts = KeyPair::generate().unwrap();
        fs::write(&self.accounts_key, accounts.serialize_pem()).unwrap();
        fs::write(&self.accounts_public_key, accounts.public_key_pem()).unwrap();
    }
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.distinguished_name.push(DnType::CommonName, "kubernetes-tests");
    params
}

fn server(names: &[String]) -> CertificateParams {
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
    params
}
