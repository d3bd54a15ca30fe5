//! A plugin, run as a runtime runs it.

use std::error::Error;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gingham_testbed::cni::Call;

/// A plugin binary and the name it runs under.
pub(crate) struct Plugin {
    path: PathBuf,
    directory: PathBuf,
    ours: bool,
}

impl Plugin {
    pub(crate) fn ours(path: &Path) -> Self {
        Self { path: path.to_owned(), directory: path.parent().unwrap_or(Path::new("/")).to_owned(), ours: true }
    }

    pub(crate) fn reference(path: &Path) -> Self {
        Self { ours: false, ..Self::ours(path) }
    }

    /// One verb as IPAM plugin of another main plugin.
    pub(crate) fn ipam(&self, verb: &str, config: &str, id: &str) -> Result<Duration, Box<dyn Error>> {
        // The role follows from the name: ours is called as the IPAM plugin `host-local`, through a link's name.
        let name = if self.ours { "host-local" } else { "" };
        self.run(name, verb, config, id, "/proc/self/ns/mnt")
    }

    /// The same under its own name, for a configuration that names a policy.
    pub(crate) fn policy(&self, verb: &str, config: &str, id: &str) -> Result<Duration, Box<dyn Error>> {
        self.run("gingham", verb, config, id, "/proc/self/ns/mnt")
    }

    /// One verb as main plugin.
    pub(crate) fn main(&self, verb: &str, config: &str, id: &str, netns: &str) -> Result<Duration, Box<dyn Error>> {
        self.run("", verb, config, id, netns)
    }

    fn run(&self, name: &str, verb: &str, config: &str, id: &str, netns: &str) -> Result<Duration, Box<dyn Error>> {
        let mut call = Call::new(&self.path, verb, config.to_owned());
        call.attachment(id, netns, "eth0");
        call.command.env("CNI_PATH", &self.directory).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        if !name.is_empty() {
            call.command.arg0(name);
        }
        let (output, took) = call.run()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            return Err(format!("{} {verb} {id}: {said}", self.path.display()).into());
        }
        Ok(took)
    }
}

pub(crate) fn time_true() -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    Command::new("true").env_clear().env("PATH", "/usr/bin:/bin").status()?;
    Ok(start.elapsed())
}
