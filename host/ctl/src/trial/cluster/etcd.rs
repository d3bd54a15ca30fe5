//! An etcd of the trial's own: one member, in the namespace between the nodes, with its data in the sandbox.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::companion::{end_with_this_thread, last_lines};
use super::site::BETWEEN;

/// For clients, and for members that it has none of.
const PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;

/// Longer than it takes to be well.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one look at it may last.
const LOOK: Duration = Duration::from_secs(1);

/// No etcd.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EtcdError {
    #[error("cannot start {program}: {source}")]
    Start { program: PathBuf, source: io::Error },
    #[error("etcd {what}; its log ends with:\n{log}\n--store directory does without etcd")]
    Unwell { what: String, log: String },
}

/// It runs. It is killed when the value is dropped, and by the kernel when this program ends otherwise.
pub(super) struct Etcd {
    process: Child,
    log: PathBuf,
    /// Where clients reach it.
    pub(super) url: String,
}

impl Etcd {
    /// Starts it and waits until it serves. To be called on the main thread: it dies with the thread.
    pub(super) fn start(program: &Path, directory: &Path) -> Result<Self, EtcdError> {
        let fault = |source| EtcdError::Start { program: program.to_owned(), source };
        fs::create_dir_all(directory).map_err(fault)?;
        let log = directory.join("log");
        let output = File::create(&log).map_err(fault)?;
        let mut command = Command::new(program);
        // Its settings come from the environment as well.
        command.env_clear().args(arguments(directory)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        if std::env::consts::ARCH == "aarch64" {
            // Versions before 3.5 want to be told that one knows.
            command.env("ETCD_UNSUPPORTED_ARCH", "arm64");
        }
        end_with_this_thread(&mut command);
        let mut etcd = Self { process: command.spawn().map_err(fault)?, log, url: url(PORT) };
        etcd.wait_until_well()?;
        Ok(etcd)
    }

    fn wait_until_well(&mut self) -> Result<(), EtcdError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let what = match self.process.try_wait() {
                Ok(Some(status)) => format!("ended with {status}"),
                Ok(None) if is_well().unwrap_or(false) => return Ok(()),
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
                Ok(None) => format!("did not serve within {} s", PATIENCE.as_secs()),
                Err(error) => format!("cannot be waited for: {error}"),
            };
            return Err(EtcdError::Unwell { what, log: last_lines(&self.log) });
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // Who has ended already needs neither.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn url(port: u16) -> String {
    format!("http://{BETWEEN}:{port}")
}

fn arguments(directory: &Path) -> Vec<String> {
    let (client, peer) = (url(PORT), url(PEER_PORT));
    vec![
        "--name=try".to_owned(),
        format!("--data-dir={}", directory.join("data").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=try={peer}"),
        // It elects itself, and need not take its time.
        "--heartbeat-interval=50".to_owned(),
        "--election-timeout=500".to_owned(),
        "--logger=zap".to_owned(),
        "--log-outputs=stderr".to_owned(),
    ]
}

/// Asks it as a monitor does.
fn is_well() -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((BETWEEN, PORT)), LOOK)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.write_all(format!("GET /health HTTP/1.0\r\nHost: {BETWEEN}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    Ok(answer.replace(' ', "").contains(r#""health":"true""#))
}
