//! An API server.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gingham_testbed::daemon::end_of;
use rustix::process::Signal;

use crate::audit_log::{AuditLog, POLICY};
use crate::certificates::Certificates;
use crate::command::until;
use crate::keeper::{Keeper, Process};
use crate::kubectl::Kubectl;
use crate::{programs, users};

/// It takes 5 to 10 s.
const START_TIMEOUT: Duration = Duration::from_mins(2);

/// The first address is the API server's for pods.
pub(crate) const SERVICES: &str = "10.96.0.0/16";

/// How it is started.
#[derive(Debug, Clone)]
pub struct ApiServerSettings {
    pub address: IpAddr,
    pub port: u16,
    /// URLs of its etcd.
    pub etcd: Vec<String>,
    /// Further arguments, or such as replace those that it has.
    pub arguments: Vec<String>,
}

#[derive(Debug)]
pub struct ApiServer {
    keeper: Arc<Keeper>,
    arguments: Vec<String>,
    address: SocketAddr,
    directory: PathBuf,
    admin: Kubectl,
    process: Option<Process>,
}

impl ApiServer {
    /// Starts it and waits until it serves.
    pub(crate) fn start_in(
        directory: &Path,
        keeper: Arc<Keeper>,
        settings: &ApiServerSettings,
        certificates: &Certificates,
        tokens: (&Path, &str),
    ) -> Self {
        fs::create_dir(directory).unwrap();
        fs::write(directory.join("audit-policy"), POLICY).unwrap();
        let address = SocketAddr::new(settings.address, settings.port);
        let admin =
            Kubectl::new(directory, users::ADMIN, &format!("https://{address}"), &certificates.authority, tokens.1);
        let arguments = arguments(directory, settings, certificates, tokens.0);
        let mut server = Self { keeper, arguments, address, directory: directory.to_owned(), admin, process: None };
        server.start();
        server
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `kubectl` as a user who may do everything.
    pub fn kubectl(&self) -> &Kubectl {
        &self.admin
    }

    pub fn audit_log(&self) -> AuditLog {
        AuditLog::of(&self.directory.join("audit.log"))
    }

    /// Starts it again and waits until it serves.
    pub fn start(&mut self) {
        self.start_without_waiting();
        let log = self.log_file();
        until("the API server is ready", START_TIMEOUT, || {
            let process = self.process.as_mut().expect("just started");
            assert!(!process.has_ended(), "the API server has ended; its log ends with:\n{}", end_of(&log, 30));
            let ready = self.admin.run(&["get", "--raw=/readyz", "--request-timeout=2s"]);
            if ready.is_success() { Ok(()) } else { Err(end_of(&log, 5)) }
        });
    }

    pub fn start_without_waiting(&mut self) {
        let mut command = Command::new(programs::path("kube-apiserver"));
        command.env_clear().args(&self.arguments);
        self.process = Some(self.keeper.start(command, &self.log_file()));
    }

    /// Ends it: `TERM` lets it answer what it was asked, `KILL` does not.
    pub fn end(&mut self, signal: Signal) {
        if let Some(process) = self.process.take() {
            process.end(signal);
        }
    }

    /// `STOP` lets it hang: its connections stay and nothing is answered. `CONT` continues it.
    pub fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.directory.join("log")
    }
}

fn arguments(
    directory: &Path,
    settings: &ApiServerSettings,
    certificates: &Certificates,
    tokens: &Path,
) -> Vec<String> {
    let file = |name: &str| directory.join(name).display().to_string();
    let mut arguments: Vec<String> = [
        ("etcd-servers", settings.etcd.join(",")),
        ("bind-address", settings.address.to_string()),
        ("secure-port", settings.port.to_string()),
        ("tls-cert-file", certificates.server.display().to_string()),
        ("tls-private-key-file", certificates.server_key.display().to_string()),
        ("cert-dir", file("certificates")),
        ("token-auth-file", tokens.display().to_string()),
        ("authorization-mode", "Node,RBAC".to_owned()),
        ("enable-admission-plugins", "NodeRestriction".to_owned()),
        ("service-account-issuer", "https://kubernetes.default.svc".to_owned()),
        ("service-account-key-file", certificates.accounts_public_key.display().to_string()),
        ("service-account-signing-key-file", certificates.accounts_key.display().to_string()),
        ("service-cluster-ip-range", SERVICES.to_owned()),
        ("allow-privileged", "true".to_owned()),
        ("audit-policy-file", file("audit-policy")),
        ("audit-log-path", file("audit.log")),
        // Megabytes; the log is never rotated.
        ("audit-log-maxsize", "100000".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| format!("--{name}={value}"))
    .collect();
    if settings.address.is_loopback() {
        // An address of loopback cannot be the one that pods find the API server at; here are no pods.
        arguments.push("--advertise-address=192.0.2.1".to_owned());
        arguments.push("--endpoint-reconciler-type=none".to_owned());
    }
    arguments.extend(settings.arguments.iter().cloned());
    arguments
}
