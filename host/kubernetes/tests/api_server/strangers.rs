//! What answers is no API server, or a bad one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use gingham_kubernetes::{AGENT, Api, Config, KubernetesStore, Pem, Permissions, Server};
use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_ownership::shared_store::{Reply, StoreFault};

use crate::setup::{BLOCK, block, call_within, create, get, refused, unknown};

const SHORT: Duration = Duration::from_secs(2);

/// A server that answers each request with `answer`, and the requests' heads.
fn server(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> (Server, Receiver<String>) {
    let mut kernel = Socket::<Route>::open().unwrap();
    link::change(&mut kernel, Which::Name("lo"), &Change { up: Some(true), ..Change::default() }).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heads, seen) = channel();
    // It ends with the process.
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            while let Some(head) = head(&mut client) {
                let _ = heads.send(head.clone());
                answer(&head, &mut client);
            }
        }
    });
    (Server { tls: false, host: "127.0.0.1".to_owned(), port, prefix: String::new() }, seen)
}

/// Of one request, whose body is read as well.
fn head(client: &mut TcpStream) -> Option<String> {
    let mut reader = BufReader::new(client);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    Some(head)
}

fn store(server: Server, token: Option<&Path>) -> KubernetesStore {
    let authority = Pem::Text(Vec::new());
    let config = Config { server, authority, token: token.map(Path::to_owned) };
    KubernetesStore::new(Api::new(config, Permissions::Only(AGENT)), "pods").unwrap()
}

#[test]
fn a_token_that_was_replaced_is_read_again_after_401_and_once_only() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "old").unwrap();
    let renewed = token.clone();
    let (server, heads) = server(move |head, client| {
        let is_new = head.contains("authorization: Bearer new");
        // As a kubelet may at any moment.
        std::fs::write(&renewed, if is_new { "newer" } else { "new" }).unwrap();
        let answer = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
        client.write_all(answer.as_bytes()).unwrap();
    });
    let mut store = store(server, Some(&token));
    let fault = refused(call_within(&mut store, &create(BLOCK, &block("node-1")), SHORT));
    assert!(matches!(fault, StoreFault::Denied(_)), "{fault:?}");
    let heads: Vec<String> = heads.try_iter().collect();
    assert_eq!(heads.len(), 2, "{heads:?}");
    assert!(heads[0].contains("Bearer old") && heads[1].contains("Bearer new"), "{heads:?}");
}

/// What becomes of a write and of a read there.
fn tried(answer: &'static [u8]) -> (Reply, Reply) {
    let (server, heads) = server(move |_, client| {
        let _ = client.write_all(answer);
        let _ = client.shutdown(std::net::Shutdown::Both);
    });
    let mut store = store(server, None);
    let reply = call_within(&mut store, &create(BLOCK, &block("node-1")), SHORT);
    assert_eq!(heads.try_iter().count(), 1, "a write is sent once");
    (reply, call_within(&mut store, &get(BLOCK), SHORT))
}

#[test]
fn no_answer_that_is_none_is_taken_for_one() {
    for answer in [
        &b""[..],
        b"hello\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"kind\":",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
    ] {
        let (write, read) = tried(answer);
        let text = String::from_utf8_lossy(answer);
        assert!(matches!(write, Reply::Unknown(_)), "{text}: {write:?}");
        assert!(matches!(read, Reply::Refused(_)), "{text}: {read:?}");
    }
}

#[test]
fn a_server_that_never_ends_or_never_answers_is_given_up() {
    let (endless, _heads) = server(|_, client| {
        let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while client.write_all(&[b' '; 1 << 13]).is_ok() {}
    });
    let fault = unknown(call_within(&mut store(endless, None), &create(BLOCK, &block("node-1")), SHORT * 10));
    assert!(fault.to_string().contains("is larger than"), "{fault}");
    let (silent, _heads) = server(|_, _| thread::park());
    let fault = refused(call_within(&mut store(silent, None), &get(BLOCK), SHORT / 4));
    assert!(fault.to_string().contains("in time"), "{fault}");
}
