//! Calls of `kubectl`.

use std::process::{Command, Stdio};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::KubectlError;
use crate::cli::Connection;

const PROGRAM: &str = "kubectl";

/// Of a read: kubectl itself waits without end for a server that accepts and is silent.
const READ_TIMEOUT: &str = "--request-timeout=30s";

/// `kubectl` with the connection and the namespace of the command line.
pub(super) struct Kubectl {
    connection: Vec<String>,
    namespace: Option<String>,
    has_timeout: bool,
}

impl Kubectl {
    pub(super) fn new(connection: &Connection) -> Self {
        let flags = [
            ("--kubeconfig", &connection.kubeconfig),
            ("--context", &connection.context),
            ("--cluster", &connection.cluster),
            ("--user", &connection.user),
            ("--server", &connection.server),
            ("--as", &connection.impersonated),
            ("--request-timeout", &connection.request_timeout),
        ];
        let given = flags.into_iter().filter_map(|(flag, value)| Some(format!("{flag}={}", value.as_ref()?)));
        Self {
            connection: given.collect(),
            namespace: connection.namespace.clone(),
            has_timeout: connection.request_timeout.is_some(),
        }
    }

    /// `--namespace` or nothing: then kubectl takes the context's.
    pub(super) fn namespace(&self) -> Vec<String> {
        self.namespace.iter().map(|name| format!("--namespace={name}")).collect()
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Result<String, KubectlError> {
        let output = self.command(arguments).output().map_err(KubectlError::NoKubectl)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(KubectlError::failed(arguments, &output.stderr))
    }

    /// With what it prints shown as it comes: for calls that take minutes.
    pub(super) fn show(&self, arguments: &[&str]) -> Result<(), KubectlError> {
        let mut command = self.command(arguments);
        let output = command.stdout(Stdio::inherit()).output().map_err(KubectlError::NoKubectl)?;
        if output.status.success() { Ok(()) } else { Err(KubectlError::failed(arguments, &output.stderr)) }
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        tracing::debug!(arguments = arguments.join(" "), "call kubectl");
        let mut command = Command::new(PROGRAM);
        command.args(&self.connection).args(arguments).stdin(Stdio::null());
        command
    }

    pub(super) fn get<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T, KubectlError> {
        let timeout = Some(READ_TIMEOUT).filter(|_| !self.has_timeout);
        let arguments: Vec<&str> =
            ["get", "--output=json"].into_iter().chain(timeout).chain(arguments.iter().copied()).collect();
        let answer = self.run(&arguments)?;
        serde_json::from_str(&answer).map_err(|source| KubectlError::Answer { arguments: arguments.join(" "), source })
    }

    /// The objects of a list, of one or several kinds.
    pub(super) fn list(&self, arguments: &[&str]) -> Result<Vec<Value>, KubectlError> {
        match self.get::<Value>(arguments)?["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }
}
