//! Calls of a plugin, as a runtime makes them.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use gingham_testbed::cni::Call;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, pidfd_send_signal, waitid,
};
use serde_json::Value;

use crate::node::{Container, PLUGIN_NAMES, PLUGINS, PLUGINS_WITH_FAILPOINTS};

/// Longer than any call takes on a loaded machine; one that lasts longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// One call, described.
#[derive(Debug, Clone)]
pub struct Cni {
    verb: &'static str,
    program: Option<String>,
    directories: Vec<PathBuf>,
    network: Value,
    /// Standard input, where it is not the network.
    input: Option<String>,
    /// None: without the variable, even if a call has it otherwise.
    variables: Vec<(String, Option<OsString>)>,
    output: Output,
}

/// Where a call's standard output leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// To the test.
    Read,
    /// To a reader that has gone.
    Abandoned,
    /// To a device that is full.
    Full,
    /// To a file that is open for reading only.
    ReadOnly,
    /// Nowhere: the descriptor is closed.
    Closed,
}

/// What came of a call.
#[derive(Debug, Clone)]
pub struct Outcome {
    status: ExitStatus,
    stdout: String,
    /// What the plugin told the operator.
    pub stderr: String,
}

/// The error a plugin reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// CNI's code.
    pub code: u64,
    /// The text for people.
    pub msg: String,
    /// More of it, or nothing.
    pub details: String,
}

/// A call that is still under way.
pub struct Running {
    child: Child,
}

impl Cni {
    /// ADD.
    pub fn add(network: &Value, container: &Container) -> Self {
        Self::of("ADD", network).attachment(container)
    }

    /// DEL.
    pub fn del(network: &Value, container: &Container) -> Self {
        Self::of("DEL", network).attachment(container)
    }

    /// CHECK, with what ADD answered.
    pub fn check(network: &Value, container: &Container, result: &Value) -> Self {
        let mut network = network.clone();
        network["prevResult"] = result.clone();
        Self::of("CHECK", &network).attachment(container)
    }

    /// GC, with the attachments the runtime still knows: container and interface.
    pub fn gc(network: &Value, valid: &[(&str, &str)]) -> Self {
        let mut network = network.clone();
        let valid = valid.iter().map(|(id, name)| serde_json::json!({"containerID": id, "ifname": name}));
        network["cni.dev/valid-attachments"] = valid.collect();
        Self::of("GC", &network)
    }

    /// STATUS.
    pub fn status(network: &Value) -> Self {
        Self::of("STATUS", network)
    }

    /// Any verb, without an attachment.
    pub fn of(verb: &'static str, network: &Value) -> Self {
        let directories = vec![PLUGINS.into()];
        let (network, output) = (network.clone(), Output::Read);
        Self { verb, program: None, directories, network, input: None, variables: Vec::new(), output }
    }

    fn attachment(self, container: &Container) -> Self {
        self.variable("CNI_CONTAINERID", &container.id).netns(&container.netns).interface("eth0")
    }

    /// The namespace's path, instead of the container's own.
    #[must_use]
    pub fn netns(self, netns: impl AsRef<Path>) -> Self {
        self.variable("CNI_NETNS", netns.as_ref())
    }

    /// Without a namespace, as after the container's death.
    #[must_use]
    pub fn without_netns(mut self) -> Self {
        self.variables.retain(|(name, _)| name != "CNI_NETNS");
        self
    }

    /// The interface, instead of eth0.
    #[must_use]
    pub fn interface(self, name: &str) -> Self {
        self.variable("CNI_IFNAME", name)
    }

    /// `CNI_ARGS`.
    #[must_use]
    pub fn args(self, args: &str) -> Self {
        self.variable("CNI_ARGS", args)
    }

    /// An environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Without an environment variable that every call has.
    #[must_use]
    pub fn without_variable(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), None));
        self
    }

    /// Other standard input than the configuration.
    #[must_use]
    pub fn input(self, text: &str) -> Self {
        Self { input: Some(text.to_owned()), ..self }
    }

    /// Another program than the one the configuration asks for.
    #[must_use]
    pub fn program(self, name: &str) -> Self {
        Self { program: Some(name.to_owned()), ..self }
    }

    /// Another plugin directory, searched after the others.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directories.push(directory.into());
        self
    }

    /// This plugin directory and no other.
    #[must_use]
    pub fn only_directory(self, directory: impl Into<PathBuf>) -> Self {
        Self { directories: vec![directory.into()], ..self }
    }

    /// Another standard output.
    #[must_use]
    pub fn output(self, output: Output) -> Self {
        Self { output, ..self }
    }

    /// `GINGHAM_FAILPOINT`, in the plugin that has them.
    #[must_use]
    pub fn failpoint(self, place_and_deed: &str) -> Self {
        let directories = vec![PLUGINS_WITH_FAILPOINTS.into()];
        Self { directories, ..self }.variable("GINGHAM_FAILPOINT", place_and_deed)
    }

    /// Starts the call.
    pub fn start(&self) -> Running {
        let input = self.input.clone().unwrap_or_else(|| self.network.to_string());
        let mut call = if self.output == Output::Closed {
            let mut call = Call::new("/bin/sh", self.verb, input);
            call.command.args(["-c", r#"exec "$0" >&-"#]).arg(self.find());
            call
        } else {
            Call::new(self.find(), self.verb, input)
        };
        call.command.env("CNI_PATH", std::env::join_paths(&self.directories).unwrap()).stdout(self.stdout());
        for (name, value) in &self.variables {
            match value {
                Some(value) => call.command.env(name, value),
                None => call.command.env_remove(name),
            };
        }
        Running { child: call.start().unwrap_or_else(|error| panic!("{}: {error}", self.find().display())) }
    }

    fn stdout(&self) -> Stdio {
        match self.output {
            Output::Read => Stdio::piped(),
            Output::Abandoned => {
                // A pipe's reader lives on in every process that is just being forked; a shutdown holds for all of them.
                let (reader, writer) = UnixStream::pair().unwrap();
                reader.shutdown(Shutdown::Both).unwrap();
                OwnedFd::from(writer).into()
            }
            Output::Full => File::options().write(true).open("/dev/full").unwrap().into(),
            Output::ReadOnly => File::open("/dev/zero").unwrap().into(),
            Output::Closed => Stdio::null(),
        }
    }

    /// Runs the call to its end.
    pub fn run(&self) -> Outcome {
        self.start().end()
    }

    /// The plugin of the configuration's `type`; if that is another's, that of `ipam.type`.
    fn find(&self) -> PathBuf {
        let main = self.network["type"].as_str().unwrap_or_default();
        let ipam = self.network["ipam"]["type"].as_str().unwrap_or_default();
        let ours = if PLUGIN_NAMES.contains(&main) || ipam.is_empty() { main } else { ipam };
        let name = self.program.as_deref().unwrap_or(ours);
        let candidates = self.directories.iter().map(|directory| directory.join(name));
        candidates.into_iter().find(|file| file.exists()).unwrap_or_else(|| panic!("no plugin {name}"))
    }
}

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has halted at its failpoint.
    pub fn await_halt(&self) {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(Pid::from_child(&self.child)), options).unwrap().unwrap();
        assert!(status.stopped(), "it has ended before it came to its failpoint");
    }

    /// Lets it go on from there.
    pub fn go_on(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).unwrap();
    }

    /// The process itself, for whoever wants to end it.
    pub fn process(&self) -> OwnedFd {
        pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()).unwrap()
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Waits for its end.
    pub fn end(mut self) -> Outcome {
        let stdout = self.child.stdout.take().map(read_aside);
        let stderr = read_aside(self.child.stderr.take().unwrap());
        let status = self.wait();
        Outcome {
            status,
            stdout: stdout.map_or(String::new(), |stdout| stdout.join().unwrap()),
            stderr: stderr.join().unwrap(),
        }
    }

    fn wait(&mut self) -> ExitStatus {
        let process = self.process();
        let (ended, is_over) = mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            let hangs = is_over.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
            hangs.then(|| pidfd_send_signal(&process, Signal::KILL))
        });
        let status = self.child.wait().unwrap();
        drop(ended);
        assert!(watch.join().unwrap().is_none(), "the plugin hangs: killed after {PATIENCE:?}");
        status
    }
}

fn read_aside(mut stream: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    })
}

impl Outcome {
    /// The result: the call succeeded and printed one JSON object and nothing else.
    #[track_caller]
    pub fn result(&self) -> Value {
        assert!(self.status.success(), "the call failed ({}): {}{}", self.status, self.stdout, self.stderr);
        self.json()
    }

    /// The call succeeded and printed nothing.
    #[track_caller]
    pub fn succeeds(&self) {
        assert!(self.status.success(), "the call failed ({}): {}{}", self.status, self.stdout, self.stderr);
        assert_eq!(self.stdout, "", "the verb has no answer");
    }

    /// The error: the call failed with exit code 1 and printed one error object and nothing else.
    #[track_caller]
    pub fn fault(&self) -> Fault {
        assert_eq!(self.status.code(), Some(1), "expected an error: {:?} {}{}", self.status, self.stdout, self.stderr);
        let json = self.json();
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        let code = json["code"].as_u64().unwrap_or_else(|| panic!("no code: {json}"));
        assert!(!text("msg").is_empty(), "no msg: {json}");
        Fault { code, msg: text("msg"), details: text("details") }
    }

    /// The call failed, and said why on standard error alone, because standard output takes nothing.
    #[track_caller]
    pub fn complaint(&self) -> &str {
        assert_eq!((self.status.code(), self.stdout.as_str()), (Some(1), ""), "{:?}: {}", self.status, self.stderr);
        &self.stderr
    }

    /// It was killed.
    #[track_caller]
    pub fn was_killed(&self) {
        assert_eq!(self.status.signal(), Some(9), "{:?}: {}{}", self.status, self.stdout, self.stderr);
    }

    /// Its exit code, unless a signal ended it.
    pub fn exit_code(&self) -> Option<i32> {
        self.status.code()
    }

    /// What it answered, to the byte.
    pub fn stdout(&self) -> &str {
        &self.stdout
    }

    /// Whether it ended by itself and with success.
    pub fn is_success(&self) -> bool {
        self.status.success()
    }

    #[track_caller]
    fn json(&self) -> Value {
        let json: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("standard output is not one JSON object ({error}): {:?}", self.stdout));
        assert!(json.is_object(), "{json}");
        json
    }
}

/// The addresses of a result, of any version, without their prefix lengths.
pub fn addresses(result: &Value) -> Vec<std::net::IpAddr> {
    let of_old = ["ip4", "ip6"].into_iter().filter_map(|family| result[family]["ip"].as_str());
    let of_new = result["ips"].as_array().into_iter().flatten().filter_map(|ip| ip["address"].as_str());
    of_old.chain(of_new).map(|net| net.parse::<ipnet::IpNet>().unwrap().addr()).collect()
}

/// The one address of a result.
#[track_caller]
pub fn address(result: &Value) -> String {
    let addresses = addresses(result);
    assert_eq!(addresses.len(), 1, "{result}");
    addresses[0].to_string()
}
