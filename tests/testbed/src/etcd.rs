//! An etcd: members as child processes in the network namespace of the caller, with data in a directory of the caller's.

mod health;

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::daemon::{end_of, end_with_this_thread};

/// Where Debian installs it.
pub const PROGRAM: &str = "/usr/bin/etcd";

/// The package that has it.
pub const PACKAGE: &str = "etcd-server";

/// Longer than a member takes to become healthy, so that running into it is a failure.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no etcd.
#[derive(Debug, thiserror::Error)]
pub enum EtcdError {
    /// The system does not let it be started.
    #[error("cannot start etcd: {0}")]
    Start(#[from] io::Error),
    /// A member ended or is not healthy.
    #[error("the etcd member {name} {what}; its log ends with:\n{log}")]
    Member {
        /// Which.
        name: String,
        /// What it did.
        what: String,
        /// The end of its log.
        log: String,
    },
}

/// What an etcd is made of.
#[derive(Debug, Clone)]
pub struct Layout {
    pub program: PathBuf,
    /// Where data and logs go.
    pub directory: PathBuf,
    /// One member for each; they may be the same. Member `i` serves clients on port `2379 + 10 i`.
    pub addresses: Vec<IpAddr>,
    /// Clients come by TLS.
    pub tls: Option<ServerTls>,
    /// Further arguments of every member.
    pub arguments: Vec<String>,
}

/// Files in PEM that members serve TLS with.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// Their certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs the certificates of clients; without it clients need none.
    pub client_ca: Option<PathBuf>,
}

impl Layout {
    /// One member, or several, on one address.
    pub fn at(directory: &Path, address: IpAddr, members: usize) -> Self {
        let addresses = vec![address; members];
        Self { program: PROGRAM.into(), directory: directory.to_owned(), addresses, tls: None, arguments: Vec::new() }
    }
}

/// A running etcd. Its members are killed when it is dropped, and also when the thread that started them ends.
#[derive(Debug)]
pub struct Etcd {
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    program: PathBuf,
    name: String,
    log: PathBuf,
    arguments: Vec<String>,
    client_url: String,
    health: SocketAddr,
    process: Option<Child>,
}

impl Etcd {
    /// Starts all members and waits until all are healthy.
    ///
    /// # Errors
    /// They cannot be started or do not become healthy.
    pub fn start(layout: &Layout) -> Result<Self, EtcdError> {
        let everyone: Vec<String> =
            (0..layout.addresses.len()).map(|index| format!("m{index}={}", url("http", peer(layout, index)))).collect();
        let everyone = everyone.join(",");
        let members = (0..layout.addresses.len()).map(|index| Member::new(layout, index, &everyone)).collect();
        let mut etcd = Self { members };
        let all: Vec<usize> = (0..etcd.members.len()).collect();
        for index in &all {
            etcd.members[*index].start()?;
        }
        etcd.wait_until_healthy(&all)?;
        Ok(etcd)
    }

    /// URLs for clients, one a member.
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| member.client_url.clone()).collect()
    }

    /// Kills a member: `kill -9`.
    pub fn kill(&mut self, member: usize) {
        self.members[member].end(Signal::KILL);
    }

    /// Asks a member to end, and waits until it has.
    pub fn stop(&mut self, member: usize) {
        self.members[member].end(Signal::TERM);
    }

    /// Lets a member hang: it keeps its connections and answers nothing.
    pub fn freeze(&mut self, member: usize) {
        let member = &self.members[member];
        member.signal(Signal::STOP);
        // A thread that runs on another processor answers until it is interrupted.
        if let Some(pid) = member.pid() {
            let _ = waitpid(Some(pid), WaitOptions::UNTRACED);
        }
    }

    /// Continues a frozen member.
    pub fn thaw(&mut self, member: usize) {
        self.members[member].signal(Signal::CONT);
    }

    /// Starts a member again, with the data it had.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn restart(&mut self, member: usize) -> Result<(), EtcdError> {
        self.members[member].start()
    }

    /// What a member has logged so far: JSON, an event on a line.
    pub fn log(&self, member: usize) -> String {
        self.members[member].log()
    }

    /// Waits until these members serve, which needs a majority.
    ///
    /// # Errors
    /// One has ended or is not healthy in time.
    pub fn wait_until_healthy(&mut self, members: &[usize]) -> Result<(), EtcdError> {
        for index in members {
            self.members[*index].wait_until_healthy(Instant::now() + START_TIMEOUT)?;
        }
        Ok(())
    }
}

impl Member {
    fn new(layout: &Layout, index: usize, everyone: &str) -> Self {
        let name = format!("m{index}");
        let scheme = if layout.tls.is_some() { "https" } else { "http" };
        let client_url = url(scheme, SocketAddr::new(layout.addresses[index], port(2379, index)));
        let health = SocketAddr::new(layout.addresses[index], port(2381, index));
        let peer_url = url("http", peer(layout, index));
        let mut arguments = vec![
            format!("--name={name}"),
            format!("--data-dir={}", layout.directory.join(&name).display()),
            format!("--listen-client-urls={client_url}"),
            format!("--advertise-client-urls={client_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--listen-metrics-urls={}", url("http", health)),
            format!("--initial-cluster={everyone}"),
            // Elections take a third of what they take by default.
            "--heartbeat-interval=50".to_owned(),
            "--election-timeout=500".to_owned(),
            "--logger=zap".to_owned(),
            "--log-outputs=stderr".to_owned(),
        ];
        if let Some(tls) = &layout.tls {
            arguments.push(format!("--cert-file={}", tls.cert.display()));
            arguments.push(format!("--key-file={}", tls.key.display()));
            if let Some(ca) = &tls.client_ca {
                arguments.push("--client-cert-auth".to_owned());
                arguments.push(format!("--trusted-ca-file={}", ca.display()));
            }
        }
        arguments.extend(layout.arguments.iter().cloned());
        let log = layout.directory.join(format!("{name}.log"));
        Self { program: layout.program.clone(), name, log, arguments, client_url, health, process: None }
    }

    fn start(&mut self) -> Result<(), EtcdError> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        // Its settings come from the environment as well.
        command.env_clear().args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if std::env::consts::ARCH == "aarch64" {
            // Versions before 3.5 do not start there without it.
            command.env("ETCD_UNSUPPORTED_ARCH", "arm64");
        }
        end_with_this_thread(&mut command);
        self.process = Some(command.spawn()?);
        Ok(())
    }

    fn pid(&self) -> Option<Pid> {
        let id = self.process.as_ref().and_then(|process| i32::try_from(process.id()).ok());
        id.and_then(Pid::from_raw)
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // It is our child and not waited for yet: the id is its own. It may have ended.
            let _ = kill_process(pid, signal);
        }
    }

    fn end(&mut self, signal: Signal) {
        self.signal(signal);
        if let Some(mut process) = self.process.take() {
            let _ = process.wait();
        }
    }

    fn wait_until_healthy(&mut self, deadline: Instant) -> Result<(), EtcdError> {
        loop {
            let what = match self.process.as_mut().map(Child::try_wait) {
                None => "is not running".to_owned(),
                Some(Ok(None)) if health::is_healthy(self.health) => return Ok(()),
                Some(Ok(None)) if Instant::now() < deadline => {
                    // etcd does not announce that it is ready.
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
                Some(Ok(None)) => format!("is not healthy after {} s", START_TIMEOUT.as_secs()),
                Some(Ok(Some(status))) => format!("ended with {status}"),
                Some(Err(error)) => return Err(error.into()),
            };
            return Err(EtcdError::Member { name: self.name.clone(), what, log: end_of(&self.log, 15) });
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.end(Signal::KILL);
    }
}

fn peer(layout: &Layout, index: usize) -> SocketAddr {
    SocketAddr::new(layout.addresses[index], port(2380, index))
}

fn port(base: u16, index: usize) -> u16 {
    // An etcd has a handful of members.
    base + u16::try_from(index * 10).unwrap_or(u16::MAX - base)
}

fn url(scheme: &str, address: SocketAddr) -> String {
    format!("{scheme}://{address}")
}
