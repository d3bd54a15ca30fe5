//! Many connections at a time, of those that say nothing and of those that wait for an answer.

use std::collections::VecDeque;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::{Node, ask, converse};

#[test]
fn connections_that_say_nothing_keep_nobody_else_waiting() {
    let node = Node::new();
    let _running = node.start_on_socket();
    node.told("READY");
    let socket = node.path("run/node.sock");
    let slow = |number: usize| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // Some say nothing, some begin and do not go on.
        stream.write_all(&b"GET /metrics HTTP/1.1\r\nHost: n"[..number % 30]).unwrap();
        stream
    };
    let held: Vec<UnixStream> = (0..200).map(slow).collect();
    let stream = UnixStream::connect(&socket).unwrap();
    // Shorter than the time after which a silent connection is dropped anyway.
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert!(converse(stream, "GET", "/healthz").starts_with("HTTP/1.1 200 "));
    drop(held);
}

/// The API server is silent, so each of them waits for seconds; more of them than connections that say nothing may stay.
#[test]
fn adds_that_wait_for_a_block_are_all_answered() {
    let node = Node::new();
    let silent = node.machine.on(|| TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let ipam =
        r#"{"type": "gingham", "policy": "weave-split", "range": "10.32.0.0/16", "cluster": {"store": "kubernetes"}}"#;
    let config =
        format!(r#"{{"cniVersion": "1.0.0", "name": "pods", "type": "gingham", "bridge": "br0", "ipam": {ipam}}}"#);
    std::fs::write(node.path("net.d/10-pods.conf"), config).unwrap();
    let socket = node.path("run/node.sock");
    std::fs::write(node.path("token"), "none").unwrap();
    let token = node.path("token");
    let (listen, server) = (format!("unix:{}", socket.display()), format!("http://{}", silent.local_addr().unwrap()));
    let _running = node
        .start(&listen, &["--kube-server", &server, "--kube-token", token.to_str().unwrap(), "--node-name", "node-1"]);
    node.told("READY");
    std::thread::scope(|scope| {
        let add = || ask(&socket, "POST", "/networks/pods/room?addresses=1");
        let adds: Vec<_> = (0..150).map(|_| scope.spawn(add)).collect();
        for add in adds {
            let answer = add.join().unwrap();
            assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("{\"failed\":\""), "{answer:?}");
        }
    });
}

/// What a process has in memory, in bytes.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

/// Connects again and again: silent, with half a request, garbage, endless headers, or a request whose answer is not read.
fn flood(socket: &Path, is_over: &AtomicBool) -> usize {
    let endless = [b"GET /metrics HTTP/1.1\r\n".as_slice(), &b"X-Header: 0123456789abcdef\r\n".repeat(4_000)].concat();
    let pieces: [&[u8]; 5] =
        [b"", b"GET /metrics HT", b"\x16\x03\x01\xff\xff", &endless, b"GET /metrics HTTP/1.1\r\nHost: n\r\n\r\n"];
    let mut held = VecDeque::new();
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return number;
        }
        let Ok(mut stream) = UnixStream::connect(socket) else { continue };
        stream.set_nonblocking(true).unwrap();
        let _ = stream.write_all(pieces[number % pieces.len()]);
        held.push_back(stream);
        if held.len() > 150 {
            held.pop_front();
        }
    }
    unreachable!("it counts without end")
}

/// Also where the test fails.
struct Ending<'f>(&'f AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_flood_of_connections_ends_no_probe_and_fills_no_memory() {
    let node = Node::new();
    let running = node.start_on_socket();
    node.told("READY");
    let socket = node.path("run/node.sock");
    let (is_over, begun) = (AtomicBool::new(false), Instant::now());
    std::thread::scope(|scope| {
        let floods: Vec<_> = (0..3).map(|_| scope.spawn(|| flood(&socket, &is_over))).collect();
        let ending = Ending(&is_over);
        let mut probes = 0;
        while probes < 8 || begun.elapsed() < Duration::from_secs(3) {
            let answer = ask(&socket, "GET", "/livez");
            assert!(answer.starts_with("HTTP/1.1 200 "), "probe {probes}: {answer:?}");
            probes += 1;
        }
        drop(ending);
        let connections: usize = floods.into_iter().map(|flood| flood.join().unwrap()).sum();
        assert!(connections > 1_000, "{connections}");
    });
    let resident = resident(running.0.process.id());
    assert!(resident < 64 << 20, "{resident} bytes");
}
