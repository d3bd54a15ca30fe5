//! The plugins of a configuration, run as a container runtime runs them: each gets what the one before answered.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gingham_engine::attachment::Pod;
use gingham_engine::library::LIBRARY_DIR;
use gingham_network::LIBRARY_VARIABLE;
use serde_json::Value;

use crate::network::keys::with;
use crate::network::{Configuration, Plugins};

/// The interface that runtimes ask for.
const INTERFACE: &str = "eth0";

/// A plugin that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChainError {
    #[error("no plugin {kind:?} in {searched}; set CNI_PATH to the directories of plugins")]
    NoPlugin { kind: String, searched: String },
    #[error("cannot run the plugin {path}: {source}")]
    Start { path: PathBuf, source: io::Error },
    #[error("{verb} of plugin {kind} failed: {said}")]
    Failed { verb: &'static str, kind: String, said: String },
    #[error("plugin {kind} returned an invalid result: {reason}")]
    NoResult { kind: String, reason: String },
}

/// One container and the plugins it is attached by.
pub(super) struct Chain<'a> {
    pub(super) configuration: &'a Configuration,
    pub(super) plugins: Plugins,
    /// What a runtime would call the container.
    pub(super) id: String,
    /// The path of its namespace.
    pub(super) netns: String,
    /// The directory of installed policies.
    pub(super) library: &'a Path,
}

impl Chain<'_> {
    /// ADD of each plugin in turn; gives the last one's result.
    pub(super) fn add(&self, pod: &Pod) -> Result<Value, ChainError> {
        let name = pod.name.as_ref().unwrap_or(&self.id);
        let of_pod = |namespace| format!("IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name}");
        let arguments = pod.namespace.as_ref().map(of_pod);
        let mut result = None;
        for index in 0..self.configuration.plugins.len() {
            let said = self.call("ADD", index, result.as_ref(), arguments.as_deref())?;
            let kind = || self.configuration.plugins[index].kind.clone();
            let parsed: Value = serde_json::from_slice(&said)
                .map_err(|error| ChainError::NoResult { kind: kind(), reason: error.to_string() })?;
            result = Some(parsed);
        }
        Ok(result.unwrap_or_default())
    }

    /// DEL of each plugin, the last one first. Goes on after errors and tells the first.
    pub(super) fn del(&self, result: Option<&Value>) -> Result<(), ChainError> {
        let mut done = Ok(());
        for index in (0..self.configuration.plugins.len()).rev() {
            done = done.and(self.call("DEL", index, result, None).map(drop));
        }
        done
    }

    fn call(
        &self,
        verb: &'static str,
        index: usize,
        previous: Option<&Value>,
        arguments: Option<&str>,
    ) -> Result<Vec<u8>, ChainError> {
        let plugin = &self.configuration.plugins[index];
        let path = self.plugins.find(&plugin.kind).ok_or_else(|| ChainError::NoPlugin {
            kind: plugin.kind.clone(),
            searched: self.searched().to_string_lossy().into_owned(),
        })?;
        let failed = |source| ChainError::Start { path: path.clone(), source };
        let object = plugin.object.clone();
        let object = match previous {
            Some(previous) => with(object, "prevResult", previous.clone()),
            None => object,
        };
        let mut command = Command::new(&path);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CNI_")) {
            command.env_remove(name);
        }
        command.env("CNI_COMMAND", verb).env("CNI_CONTAINERID", &self.id).env("CNI_NETNS", &self.netns);
        command.env("CNI_IFNAME", INTERFACE).env("CNI_PATH", self.searched());
        command.envs(arguments.map(|arguments| ("CNI_ARGS", arguments)));
        if self.library != Path::new(LIBRARY_DIR) {
            command.env(LIBRARY_VARIABLE, std::path::absolute(self.library).map_err(failed)?);
        }
        // Not of the terminal's foreground: Ctrl-C ends the command and interrupts no plugin.
        command.process_group(0);
        tracing::debug!(verb, plugin = %path.display(), container = self.id, "run the plugin");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A plugin that ends before it has read everything says why on standard output.
            let _ = stdin.write_all(Value::Object(object).to_string().as_bytes());
        }
        let output = child.wait_with_output().map_err(failed)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(ChainError::Failed { verb, kind: plugin.kind.clone(), said: told(&output.stdout, output.status) })
    }

    fn searched(&self) -> std::ffi::OsString {
        std::env::join_paths(self.plugins.directories()).unwrap_or_default()
    }
}

/// The error that a plugin reported.
fn told(stdout: &[u8], status: std::process::ExitStatus) -> String {
    let error: Value = serde_json::from_slice(stdout).unwrap_or_default();
    match (error["msg"].as_str(), error["details"].as_str()) {
        (Some(msg), Some(details)) if !details.is_empty() => format!("{msg}: {details}"),
        (Some(msg), _) => msg.to_owned(),
        (None, _) => format!("{status} {}", String::from_utf8_lossy(stdout).trim()),
    }
}
