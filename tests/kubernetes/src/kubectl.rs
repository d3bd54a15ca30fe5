//! `kubectl`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::command::{Finished, bounded, finish};
use crate::{programs, users};

/// `kubectl` as one user of one API server.
#[derive(Debug, Clone)]
pub struct Kubectl {
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// Keeps its kubeconfig in `directory`.
    pub(crate) fn new(directory: &Path, name: &str, server: &str, authority: &Path, token: &str) -> Self {
        let kubeconfig = directory.join(format!("{name}.kubeconfig"));
        fs::write(&kubeconfig, users::kubeconfig(server, authority, token)).unwrap();
        Self { kubeconfig }
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        finish(self.command().args(arguments))
    }

    /// `kubectl NAME …`, where `program` is kubectl's plugin of that name.
    pub fn run_plugin(&self, name: &str, program: &Path, arguments: &[&str]) -> Finished {
        let directory = tempfile::tempdir_in(self.kubeconfig.parent().unwrap()).unwrap();
        symlink(program, directory.path().join(format!("kubectl-{name}"))).unwrap();
        symlink(programs::path("kubectl"), directory.path().join("kubectl")).unwrap();
        let path = format!("{}:/usr/bin:/bin", directory.path().display());
        finish(self.command().env("PATH", path).arg(name).args(arguments))
    }

    /// `kubectl get --output=json …`
    #[track_caller]
    pub fn get(&self, arguments: &[&str]) -> Value {
        self.run(&[&["get", "--output=json"], arguments].concat()).json()
    }

    /// Runs it with a manifest, or another file, as `--filename`.
    pub fn with_file(&self, arguments: &[&str], text: &str) -> Finished {
        let directory = self.kubeconfig.parent().unwrap();
        let mut file = tempfile::NamedTempFile::new_in(directory).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        finish(self.command().args(arguments).arg("--filename").arg(file.path()))
    }

    #[track_caller]
    pub fn apply(&self, manifest: &str) -> String {
        self.with_file(&["apply"], manifest).stdout()
    }

    /// A token of a service account, as the kubelet requests it for a pod. The API server grants no less than 600 s.
    #[track_caller]
    pub fn service_account_token(&self, namespace: &str, name: &str, seconds: u32) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds},
        });
        let answer = self.with_file(&["create", "--raw", &path], &request.to_string()).json();
        answer["status"]["token"].as_str().expect("a token").to_owned()
    }

    fn command(&self) -> Command {
        let mut command = bounded(programs::path("kubectl"));
        let directory = self.kubeconfig.parent().unwrap();
        // It keeps what it learns of the API below HOME.
        command.env("HOME", directory).env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null());
        command
    }
}
