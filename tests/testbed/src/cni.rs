//! A call of a plugin, as a container runtime makes it: environment and standard input in, standard output out.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub struct Call {
    /// May be changed further before the call starts.
    pub command: Command,
    input: String,
}

impl Call {
    /// In an environment with nothing else but a PATH. `input` is the configuration.
    pub fn new(program: impl AsRef<OsStr>, verb: &str, input: String) -> Self {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("CNI_COMMAND", verb);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, input }
    }

    /// With the environment of this process, except for CNI's variables.
    pub fn inherit_environment(&mut self) {
        let is_cni = |name: &OsStr| name.to_string_lossy().starts_with("CNI_");
        self.command.envs(std::env::vars_os().filter(|(name, _)| !is_cni(name)));
    }

    /// For an interface of a container.
    pub fn attachment(&mut self, container: &str, netns: impl AsRef<Path>, interface: &str) -> &mut Self {
        self.command.env("CNI_CONTAINERID", container).env("CNI_NETNS", netns.as_ref()).env("CNI_IFNAME", interface);
        self
    }

    /// Starts it and writes the configuration.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(mut self) -> io::Result<Child> {
        let mut child = self.command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A plugin that ends before it has read its input reports why on standard output.
            let _ = stdin.write_all(self.input.as_bytes());
        }
        Ok(child)
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn run(self) -> io::Result<(Output, Duration)> {
        let start = Instant::now();
        let output = self.start()?.wait_with_output()?;
        Ok((output, start.elapsed()))
    }
}
