//! An OCI registry on the loopback of a node.

use std::fs::{self, File};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gingham_kubernetes_tests::command::until;
use serde_json::json;

const PROGRAM: &str = "/usr/bin/docker-registry";
const ADDRESS: &str = "127.0.0.1:5000";
pub(crate) const REFERENCE: &str = "127.0.0.1:5000/team/hashed:1.0";

/// Names it as missing otherwise.
pub(crate) fn has_program() -> bool {
    skipped_tests::has(PROGRAM, "docker-registry")
}

pub(crate) struct Registry(Child);

impl Registry {
    pub(crate) fn start() -> Self {
        let config = json!({
            "version": "0.1", "log": {"level": "error"}, "http": {"addr": ADDRESS, "secret": "for a test"},
            "storage": {"filesystem": {"rootdirectory": "/run/registry"}},
        });
        // JSON is YAML.
        fs::write("/run/registry.yml", config.to_string()).unwrap();
        let log = File::create("/run/registry.log").unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "/run/registry.yml"]).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let registry = Self(command.spawn().unwrap());
        let connects = || TcpStream::connect(ADDRESS).map(drop).map_err(|error| error.to_string());
        until("the registry listens", Duration::from_secs(30), connects);
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
