//! The real program: what it tells its service manager, what it serves, how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod connections;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::store::Store;
use gingham_net::node_routes::is_agent_running;
use gingham_testbed::daemon::Daemon;
use gingham_testbed::machine::Machine;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Longer than anything here takes, so that running into it is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node with namespaces and directories of its own, and a service manager.
struct Node {
    machine: Machine,
    directory: TempDir,
    manager: UnixDatagram,
}

impl Node {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("net.d")).unwrap();
        let manager = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let machine = Machine::new("node".to_owned(), || Ok(())).unwrap();
        Self { machine, directory, manager }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gingham-node"));
        command
            .arg("--config-dir")
            .arg(self.path("net.d"))
            .arg("--data-dir")
            .arg(self.path("data"))
            .env("NOTIFY_SOCKET", self.path("notify"))
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .stderr(Stdio::piped());
        command
    }

    fn start(&self, listen: &str, arguments: &[&str]) -> Running {
        let mut command = self.command();
        command.arg("--listen").arg(listen).args(arguments);
        self.run(command)
    }

    fn run(&self, command: Command) -> Running {
        Running(Daemon::start(&self.machine, command).unwrap())
    }

    fn start_on_socket(&self) -> Running {
        self.start(&format!("unix:{}", self.path("run/node.sock").display()), &[])
    }

    /// The next words to the service manager that start so; others are passed over.
    fn told(&self, start: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let length = self.manager.recv(&mut buffer).expect("word from the program");
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            if text.starts_with(start) {
                return text.to_owned();
            }
        }
    }
}

struct Running(Daemon);

impl Running {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0.process), signal).unwrap();
    }

    /// Waits for the end and returns the exit code and what was left to read of standard error.
    fn ended(&mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        while self.0.process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut text = String::new();
        self.0.process.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (self.0.process.wait().unwrap().code(), text)
    }
}

fn converse(mut stream: impl Read + Write, method: &str, path: &str) -> String {
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn ask(socket: &Path, method: &str, path: &str) -> String {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    converse(stream, method, path)
}

#[test]
fn it_serves_and_stops_on_a_signal() {
    let node = Node::new();
    std::fs::write(node.path("net.d/10-alone.conf"), r#"{"name": "alone", "ipam": {"type": "host-local"}}"#).unwrap();
    let mut running = node.start_on_socket();
    assert_eq!(node.told("READY"), "READY=1\nSTATUS=no network has ipam.cluster");
    assert!(is_agent_running(&node.path("data")));

    let socket = node.path("run/node.sock");
    let metrics = ask(&socket, "GET", "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    assert!(metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{metrics}");
    assert!(metrics.contains("\ngingham_node_build_info{version=\""), "{metrics}");
    assert!(ask(&socket, "GET", "/healthz").ends_with("\r\n\r\nno network has ipam.cluster\n"));
    assert!(ask(&socket, "HEAD", "/healthz").ends_with("\r\n\r\n"));
    assert!(ask(&socket, "POST", "/metrics").starts_with("HTTP/1.1 405 "));
    assert!(ask(&socket, "GET", "/").starts_with("HTTP/1.1 404 "));

    running.signal(Signal::TERM);
    node.told("STOPPING=1");
    let (code, text) = running.ended();
    assert_eq!((code, text.ends_with("info: stopping on a signal\n")), (Some(0), true), "{text}");
    assert!(!socket.exists() && !is_agent_running(&node.path("data")));
}

#[test]
fn there_is_one_of_it_on_a_node_and_one_that_was_killed_leaves_nothing_in_the_way() {
    let node = Node::new();
    let mut first = node.start_on_socket();
    node.told("READY");
    let (code, text) = node.start("none", &[]).ended();
    assert_eq!(code, Some(1));
    let pid = first.0.process.id();
    assert!(
        text.starts_with("error: cannot lock ")
            && text.contains(&format!("another gingham-node (pid {pid}) runs on this node")),
        "{text}"
    );
    // Another node's, which wants the same socket.
    let other = Node::new();
    let (code, text) = other.start(&format!("unix:{}", node.path("run/node.sock").display()), &[]).ended();
    assert_eq!((code, text.contains("another process listens on")), (Some(1), true), "{text}");

    first.signal(Signal::KILL);
    first.ended();
    assert!(node.path("run/node.sock").exists());
    let mut second = node.start_on_socket();
    node.told("READY");
    ask(&node.path("run/node.sock"), "GET", "/healthz");
    second.signal(Signal::INT);
    assert_eq!(second.ended().0, Some(0));
}

#[test]
fn a_network_that_is_added_later_is_reconciled() {
    let node = Node::new();
    let running = node.start_on_socket();
    node.told("READY");
    let config =
        r#"{"name": "late", "type": "gingham", "ipam": {"type": "gingham", "cluster": {"store": "nonsense"}}}"#;
    std::fs::write(node.path("net.d/10-late.conf"), config).unwrap();
    running.signal(Signal::HUP);
    node.told("STATUS=late failed");
    let health = ask(&node.path("run/node.sock"), "GET", "/healthz");
    assert!(health.starts_with("HTTP/1.1 503 ") && health.contains("\r\n\r\nlate: failed: "), "{health}");
    assert!(
        ask(&node.path("run/node.sock"), "GET", "/metrics")
            .contains("\ngingham_last_reconcile_succeeded{network=\"late\"} 0\n")
    );
    std::fs::remove_file(node.path("net.d/10-late.conf")).unwrap();
    running.signal(Signal::HUP);
    node.told("STATUS=no network has ipam.cluster");
}

#[test]
fn the_watchdog_hears_of_it_again_and_again() {
    let node = Node::new();
    let mut command = node.command();
    command.args(["--listen", "none"]).env("WATCHDOG_USEC", "100000");
    let _running = node.run(command);
    for _ in 0..3 {
        node.told("WATCHDOG=1");
    }
}

#[test]
fn other_machines_are_not_served_unless_that_is_said() {
    let node = Node::new();
    let (code, text) = node.start("0.0.0.0:0", &[]).ended();
    assert_eq!(
        (code, text.starts_with("error: --listen 0.0.0.0:0: other machines can reach")),
        (Some(1), true),
        "{text}"
    );

    for (listen, arguments) in [("127.0.0.1:0", &[][..]), ("0.0.0.0:0", &["--listen-anywhere"])] {
        let mut running = node.start(listen, &[arguments, &["--log-format", "json"]].concat());
        node.told("READY");
        let mut lines = BufReader::new(running.0.process.stderr.take().unwrap()).lines();
        let line: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let message = line["message"].as_str().unwrap();
        let port: u16 = message.rsplit(':').next().unwrap().parse().unwrap();
        let stream = node.machine.on(|| TcpStream::connect(("127.0.0.1", port)).unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(converse(stream, "GET", "/healthz").starts_with("HTTP/1.1 200 "));
    }
}

/// What may lie in a directory of configurations and is no configuration.
fn litter(directory: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let at = |name: &str| directory.join(name);
    let make = |name: &str, kind| mknodat(CWD, at(name), kind, Mode::RUSR | Mode::WUSR, 0).unwrap();
    make("10-pipe.conf", FileType::Fifo);
    make("20-hidden-pipe", FileType::Fifo);
    make("40-socket.conf", FileType::Socket);
    for (link, target) in
        [("30-link.conf", "20-hidden-pipe"), ("50-device.conflist", "/dev/zero"), ("60-loop.json", "60-loop.json")]
    {
        std::os::unix::fs::symlink(target, at(link)).unwrap();
    }
    std::fs::File::create(at("70-huge.conf")).unwrap().set_len(8 << 30).unwrap();
    std::fs::create_dir(at("80-directory.conf")).unwrap();
}

#[test]
fn files_that_are_no_configurations_stop_nothing() {
    let node = Node::new();
    litter(&node.path("net.d"));
    let mut running = node.start_on_socket();
    node.told("READY");
    for _ in 0..500 {
        running.signal(Signal::HUP);
    }
    let config =
        r#"{"name": "last", "type": "gingham", "ipam": {"type": "gingham", "cluster": {"store": "nonsense"}}}"#;
    std::fs::write(node.path("net.d/90-last.conf"), config).unwrap();
    running.signal(Signal::HUP);
    node.told("STATUS=last failed");
    assert!(ask(&node.path("run/node.sock"), "GET", "/healthz").contains("\r\n\r\nlast: failed: "));
    running.signal(Signal::TERM);
    let (code, text) = running.ended();
    assert_eq!(code, Some(0), "{text}");
    let faults =
        ["10-pipe.conf: it is a named pipe", "30-link.conf: it is a named pipe", "40-socket.conf: it is a socket"];
    let more = ["50-device.conflist: it is a device", "60-loop.json: ", "70-huge.conf: it is larger than"];
    for fault in faults.iter().chain(&more) {
        assert_eq!(text.matches(fault).count(), 1, "{fault}: {text}");
    }
    assert!(!text.contains("80-directory"), "runtimes pass over directories: {text}");
}

/// Of networks without `cluster`, too, and of those that no configuration names.
#[test]
fn leases_of_containers_that_are_gone_are_freed() {
    let node = Node::new();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned();
    let key = |container: &str| AttachmentKey { container_id: container.to_owned(), interface: "eth0".to_owned() };
    let record = |address: &str, netns: String| AttachmentRecord {
        addresses: vec![address.parse().unwrap()],
        boot: boot.clone(),
        netns,
        ..AttachmentRecord::default()
    };
    let mut ledger = Store::open(&node.path("data"), &boot, 1).unwrap().into_ledger("alone").unwrap();
    let gone = node.path("gone").display().to_string();
    ledger.attach(&key("dead"), &record("10.1.0.2", gone)).unwrap();
    ledger.attach(&key("alive"), &record("10.1.0.3", "/proc/self/ns/net".to_owned())).unwrap();
    ledger.commit().unwrap();
    let _running = node.start("none", &["--grace-period", "1"]);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let store = Store::open_read_only(&node.path("data")).unwrap().unwrap();
        let left = store.ledger("alone").unwrap().attachments().unwrap();
        drop(store);
        if let [(left, _)] = left.as_slice() {
            assert_eq!(*left, key("alive"));
            break;
        }
        assert!(Instant::now() < deadline, "{left:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
