//! Whatever a registry sends, the command ends, takes no more than its bound, and changes nothing.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::harness::{REFERENCE, on_a_host};
use super::peer::{Heard, Peer, answer, endless, manifest};

const DIGEST: &str = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

/// Longer than any of them takes on a busy machine.
const BOUND: Duration = Duration::from_mins(1);

#[track_caller]
fn refused(answer: impl Fn(&Heard, &mut TcpStream) + Send + Sync + 'static, words: &[&str]) {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    on_a_host(move |shop| {
        let _peer = Peer::start(answer);
        let start = Instant::now();
        let said = shop.ctl(&["add", REFERENCE, "--plain-http", "--timeout", "5s"]).failed();
        assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!shop.path("library").exists());
    });
}

/// The manifest is good; so far.
fn with_layer(
    kind: &'static str,
    size: u64,
    blob: impl Fn(&mut TcpStream) + Send + Sync + 'static,
) -> impl Fn(&Heard, &mut TcpStream) + Send + Sync + 'static {
    move |heard, stream| {
        if heard.request.contains("/blobs/") {
            blob(stream);
        } else {
            answer(stream, "200 OK", &[], manifest(kind, DIGEST, size).to_string().as_bytes());
        }
    }
}

#[test]
fn bodies_without_an_end_are_cut() {
    refused(|_, stream| endless(stream), &["the manifest of 127.0.0.1:5000 is larger than 4194304 bytes"]);
    refused(with_layer("application/wasm", 3, endless), &["the component of", "is larger than 67108864 bytes"]);
    let huge = |stream: &mut TcpStream| answer(stream, "200 OK\r\nContent-Length: 1000000000000", &[], b"");
    refused(with_layer("application/wasm", u64::MAX, huge), &["is larger than 67108864 bytes"]);
    let error = |_: &Heard, stream: &mut TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 500 Broken\r\nContent-Length: 1000000000000\r\n\r\n");
    };
    refused(error, &["failed reading with status 500"]);
}

#[test]
fn silence_ends_with_the_time_that_was_given() {
    let silent = |_: &Heard, _: &mut TcpStream| std::thread::sleep(BOUND * 2);
    refused(silent, &["did not finish within 5 s", "--timeout"]);
    let slow = |_: &Heard, stream: &mut TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    refused(slow, &["did not finish within 5 s"]);
}

#[test]
fn nothing_is_unpacked() {
    let gzip = |_: &Heard, stream: &mut TcpStream| answer(stream, "200 OK", &["Content-Encoding: gzip"], b"\x1f\x8b");
    refused(gzip, &["compressed (gzip)", "nothing was unpacked"]);
    let never = |_: &mut TcpStream| panic!("the layer was asked for");
    refused(with_layer("application/vnd.oci.image.layer.v1.tar+gzip", 3, never), &["its layer is packed"]);
}

#[test]
fn redirects_end() {
    let round = |_: &Heard, stream: &mut TcpStream| {
        answer(stream, "307 X", &[&format!("Location: http://{REFERENCE}?token=1")], b"");
    };
    // Not the secret of a signed address.
    refused(round, &["redirects to http://127.0.0.1:5000/team/sticky:1.0, which is not followed"]);
    let odd = |_: &Heard, stream: &mut TcpStream| answer(stream, "302 X", &["Location: file:///etc/passwd"], b"");
    refused(odd, &["redirects to file:///etc/passwd, which is not followed"]);
}

#[test]
fn what_a_registry_says_is_text_of_one_line() {
    let body =
        json!({"errors": [{"code": "X", "message": "\u{1b}[31mno\nginghamctl: all is well", "detail": {"a": 1}}]});
    let loud = move |_: &Heard, stream: &mut TcpStream| {
        answer(stream, "418 X", &[], body.to_string().as_bytes());
    };
    refused(loud, &[r"status 418 (\u{1b}[31mno\nginghamctl: all is well)"]);
    refused(|_, stream| answer(stream, "200 OK", &[], b"<html>\x1b"), &["its manifest cannot be read"]);
    refused(|_, stream| drop(stream.write_all(b"SSH-2.0-x\r\n")), &["cannot reach 127.0.0.1:5000"]);
    let index = json!({"schemaVersion": 2, "manifests": [{}]});
    refused(
        move |_, stream| answer(stream, "200 OK", &[], index.to_string().as_bytes()),
        &["it is an index of 1 artefacts"],
    );
    let other = |stream: &mut TcpStream| answer(stream, "200 OK", &[], b"bar");
    refused(with_layer("application/wasm", 3, other), &["damaged or was replaced", DIGEST]);
    refused(|_, stream| answer(stream, "401 X", &["WWW-Authenticate: Negotiate"], b""), &["(Negotiate)"]);
    refused(|_, stream| answer(stream, "400 X", &[], b"Client sent an HTTP request"), &["leave out --plain-http"]);
    refused(|_, stream| answer(stream, "403 X", &[], b""), &["does not permit reading with no login"]);
    refused(|_, stream| answer(stream, "429 X", &[], b""), &["the limit is reached"]);
}
