//! A host of one's own with a user's home, a library, and a registry on its loopback.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gingham_builtin::BUILT_IN;
use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{CTL, Said};

const PROGRAM: &str = "/usr/bin/docker-registry";
pub(super) const HTPASSWD: &str = "/usr/bin/htpasswd";

/// Longer than it takes to start, so that running into it is a failure.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Where registries of the tests are.
pub(super) const ADDRESS: &str = "127.0.0.1:5000";
pub(super) const REFERENCE: &str = "127.0.0.1:5000/team/sticky:1.0";

/// What a user of a host has.
pub(super) struct Shop {
    dir: TempDir,
}

/// Runs `work` where a registry can be started, unless its program is missing.
pub(super) fn with_registry(work: impl FnOnce(&Shop) + Send) {
    if skipped_tests::has(PROGRAM, "docker-registry") {
        on_a_host(work);
    }
}

/// Runs `work` in a network namespace with a loopback.
pub(super) fn on_a_host(work: impl FnOnce(&Shop) + Send) {
    let shop = Shop { dir: tempfile::tempdir().unwrap() };
    let host = NetNs::create().expect("a new namespace");
    host.enter(|| {
        let mut kernel = Socket::<Route>::open().unwrap();
        link::change(&mut kernel, Which::Name("lo"), &Change { up: Some(true), ..Change::default() }).unwrap();
        work(&shop);
    })
    .unwrap();
}

impl Shop {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A real policy in a file.
    pub(super) fn policy(&self) -> PathBuf {
        self.write("sticky.wasm", BUILT_IN[0].component())
    }

    /// `ginghamctl policy`, with nothing of this machine's in its environment.
    pub(super) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(CTL);
        command.arg("--library").arg(self.path("library")).arg("policy").args(arguments);
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        command.env_clear().env("PATH", path).env("HOME", self.path("home")).env("XDG_RUNTIME_DIR", self.path("run"));
        command.current_dir(self.dir.path());
        command
    }

    pub(super) fn ctl(&self, arguments: &[&str]) -> Said {
        Said::by(&mut self.command(arguments))
    }

    /// The same, against a registry without TLS.
    pub(super) fn plain(&self, arguments: &[&str]) -> Said {
        self.ctl(&[arguments, &["--plain-http", "--timeout", "20s"]].concat())
    }

    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.plain(&[arguments, &["--json"]].concat()).done()).unwrap()
    }

    pub(super) fn push(&self) -> Value {
        let policy = self.policy();
        self.json(&["push", policy.to_str().unwrap(), REFERENCE])
    }

    /// What `policy list` has of an installed policy.
    pub(super) fn listed(&self, name: &str) -> Value {
        let list: Value = serde_json::from_str(&self.ctl(&["list", "--json"]).done()).unwrap();
        list.as_array().unwrap().iter().find(|row| row["name"] == name).cloned().unwrap_or_default()
    }

    /// Temporary paths out of a text.
    pub(super) fn scrubbed(&self, text: &str) -> String {
        text.replace(self.dir.path().to_str().unwrap(), "DIR")
    }

    pub(super) fn program(&self, name: &str, script: &str) {
        let path = self.write(&format!("bin/{name}"), format!("#!/bin/sh\n{script}"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What `docker login` would write.
    pub(super) fn log_in(&self, user: &str, password: &str) {
        let json = serde_json::json!({"auths": {ADDRESS: {"username": user, "password": password}}});
        self.write("home/.docker/config.json", json.to_string());
    }
}

/// How a registry is served.
#[derive(Default)]
pub(super) struct Service<'a> {
    pub(super) tls: Option<&'a Authority>,
    /// A user and a password.
    pub(super) login: Option<(&'a str, &'a str)>,
}

/// A running registry. It is killed when it is dropped.
pub(super) struct Registry {
    process: Child,
    pub(super) storage: PathBuf,
}

impl Registry {
    pub(super) fn start(shop: &Shop, service: &Service<'_>) -> Self {
        let storage = shop.path("storage");
        let mut config = serde_json::json!({
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": storage}},
            "http": {"addr": ADDRESS, "secret": "for a test"},
        });
        if let Some(authority) = service.tls {
            let (certificate, key) = authority.sign(shop);
            config["http"]["tls"] = serde_json::json!({"certificate": certificate, "key": key});
        }
        if let Some((user, password)) = service.login {
            let output = Command::new(HTPASSWD).args(["-Bbn", user, password]).output().unwrap();
            let file = shop.write("htpasswd", output.stdout);
            config["auth"] = serde_json::json!({"htpasswd": {"realm": "test", "path": file}});
        }
        // JSON is YAML.
        let file = shop.write("registry.yml", config.to_string());
        let log = fs::File::create(shop.path("registry.log")).unwrap();
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg(file).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let registry = Self { process: command.spawn().unwrap(), storage };
        Self::wait(shop);
        registry
    }

    fn wait(shop: &Shop) {
        let end = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(ADDRESS).is_err() {
            let log = || fs::read_to_string(shop.path("registry.log")).unwrap_or_default();
            assert!(Instant::now() < end, "the registry does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The file of a blob.
    pub(super) fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        self.storage.join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An authority that signs certificates of the loopback.
pub(super) struct Authority {
    pub(super) file: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new(shop: &Shop, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let file = shop.write(&format!("{name}.pem"), params.self_signed(&key).unwrap().pem());
        Self { file, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, shop: &Shop) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (shop.write("server.pem", certificate.pem()), shop.write("server.key", key.serialize_pem()))
    }
}

/// A file's name as an argument.
pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
