//! An etcd and an API server.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_testbed::etcd::{Etcd, Layout};
use tempfile::TempDir;

use crate::api_server::{ApiServer, ApiServerSettings};
use crate::audit_log::AuditLog;
use crate::certificates::Certificates;
use crate::keeper::Keeper;
use crate::kubectl::Kubectl;
use crate::users::{self, User};

/// Processes end with the value, and also when the test's process ends otherwise.
#[derive(Debug)]
pub struct ControlPlane {
    pub api_server: ApiServer,
    settings: ApiServerSettings,
    etcd: Arc<Mutex<Etcd>>,
    certificates: Certificates,
    users: Vec<User>,
    tokens: PathBuf,
    servers: AtomicU8,
    keeper: Arc<Keeper>,
    // The last one: what is dropped before it writes into it.
    directory: TempDir,
}

impl ControlPlane {
    /// On an address of loopback of its own, in the network namespace of the caller. Ready when it returns.
    pub fn start() -> Self {
        let mut kernel = Socket::<Route>::open().unwrap();
        link::change(&mut kernel, Which::Name("lo"), &Change { up: Some(true), ..Change::default() })
            .expect("run it in a namespace, as tests/in-namespaces does");
        Self::start_in(&std::env::temp_dir(), own_loopback_address(), &[])
    }

    /// On an address that the caller's network namespace has, with a directory in `parent`. `arguments` are the API
    /// server's.
    pub fn start_in(parent: &Path, address: IpAddr, arguments: &[&str]) -> Self {
        let directory = TempDir::new_in(parent).unwrap();
        let keeper = Arc::new(Keeper::new());
        let mut layout = Layout::at(directory.path(), address, 1);
        layout.arguments.push("--unsafe-no-fsync".to_owned());
        let etcd = keeper.run(move || Etcd::start(&layout)).unwrap();
        let settings = ApiServerSettings {
            address,
            port: 6443,
            etcd: etcd.endpoints(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        };
        let certificates = Certificates::create(directory.path(), &names(address));
        let users = users::all();
        let tokens = users::write_tokens(&users, directory.path());
        let api = directory.path().join("api-1");
        let with = (&*tokens, &*users[0].token);
        let api_server = ApiServer::start_in(&api, Arc::clone(&keeper), &settings, &certificates, with);
        let etcd = Arc::new(Mutex::new(etcd));
        Self { api_server, settings, etcd, certificates, users, tokens, servers: 1.into(), keeper, directory }
    }

    /// Another API server on the same data. Its settings are the first one's, with another port, until `change` changes
    /// them: an etcd behind a proxy, for instance.
    pub fn another_api_server(&self, change: impl FnOnce(&mut ApiServerSettings)) -> ApiServer {
        let number = self.servers.fetch_add(1, Ordering::Relaxed);
        let mut settings = self.settings.clone();
        settings.port += u16::from(number);
        change(&mut settings);
        let directory = self.directory.path().join(format!("api-{}", number + 1));
        let tokens = (&*self.tokens, &*self.users[0].token);
        ApiServer::start_in(&directory, Arc::clone(&self.keeper), &settings, &self.certificates, tokens)
    }

    pub fn url(&self) -> String {
        self.api_server.url()
    }

    /// The authority of the API server's certificate, as PEM in a file.
    pub fn authority(&self) -> &Path {
        &self.certificates.authority
    }

    /// A file of tokens' user: [`users::ADMIN`], `system:node:node-1`, …
    pub fn user(&self, name: &str) -> &User {
        self.users.iter().find(|user| user.name == name).unwrap_or_else(|| panic!("no user is called {name}"))
    }

    /// `kubectl` as a user who may do everything.
    pub fn kubectl(&self) -> &Kubectl {
        self.api_server.kubectl()
    }

    /// `kubectl` with any token.
    pub fn kubectl_with(&self, name: &str, token: &str) -> Kubectl {
        Kubectl::new(self.directory.path(), name, &self.url(), self.authority(), token)
    }

    /// `kubectl` as one of the users with a fixed token.
    pub fn kubectl_of(&self, name: &str) -> Kubectl {
        self.kubectl_with(&name.replace(':', "-"), &self.user(name).token)
    }

    /// The key that signs the tokens of service accounts.
    pub(crate) fn accounts_key(&self) -> &Path {
        &self.certificates.accounts_key
    }

    pub fn audit_log(&self) -> AuditLog {
        self.api_server.audit_log()
    }

    /// URLs of the etcd.
    pub fn etcd_endpoints(&self) -> &[String] {
        &self.settings.etcd
    }

    /// Kills, freezes or starts the etcd's one member.
    pub fn etcd<T: Send + 'static>(&self, work: impl FnOnce(&mut Etcd) -> T + Send + 'static) -> T {
        let etcd = Arc::clone(&self.etcd);
        self.keeper.run(move || work(&mut etcd.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Makes all tokens of service accounts invalid, as if they had expired. It restarts the API server.
    pub fn expire_service_account_tokens(&mut self) {
        self.certificates.replace_accounts_key();
        self.api_server.end(rustix::process::Signal::KILL);
        self.api_server.start();
    }

    /// Where all of it keeps its files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.api_server.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the API server's log ends with:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        }
    }
}

/// Processes that share a network namespace, and control planes of one process, do not meet.
fn own_loopback_address() -> IpAddr {
    static COUNTER: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 1 + high % 254, low, COUNTER.fetch_add(1, Ordering::Relaxed)).into()
}

/// What the API server's certificate says.
fn names(address: IpAddr) -> Vec<String> {
    let mut names = vec![address.to_string()];
    let fixed = ["127.0.0.1", "10.96.0.1", "localhost", "kubernetes.default.svc", "kubernetes.default"];
    names.extend(fixed.map(str::to_owned));
    names
}
