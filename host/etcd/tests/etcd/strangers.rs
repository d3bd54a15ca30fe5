//! Endpoints that are no etcd.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::thread;
use std::time::Duration;

use gingham_etcd::Etcd;
use gingham_ownership::etcd_settings::TlsFiles;
use gingham_ownership::shared_store::StoreFault;

use crate::certificates::Authority;
use crate::testbed::{PATIENCE, call_within, create, members, on_a_host, refused, settings, with_etcd};

/// Serves one connection with a fixed answer and returns the fault that the store reports.
fn fault_of(answer: &'static [u8]) -> StoreFault {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.read(&mut [0; 512]);
        let _ = stream.write_all(answer);
        // Who closes with something unread resets the connection, and the answer may be lost with it.
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut store = Etcd::new(settings(std::slice::from_ref(&url)), "net");
    let fault = refused(call_within(&mut store, &create("config", "0"), Duration::from_secs(5)));
    server.join().unwrap();
    assert!(fault.to_string().contains(&url), "{fault}");
    fault
}

#[test]
fn a_web_server() {
    on_a_host(|_| {
        let fault = fault_of(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        assert!(matches!(&fault, StoreFault::Unusable(text) if text.contains("cluster.endpoints")), "{fault:?}");
    });
}

#[test]
fn a_server_that_closes_at_once() {
    on_a_host(|_| {
        let fault = fault_of(b"");
        assert!(matches!(&fault, StoreFault::Unreachable(_)), "{fault:?}");
    });
}

#[test]
fn another_protocol() {
    on_a_host(|_| {
        let fault = fault_of(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\nand so on and on and on");
        assert!(matches!(&fault, StoreFault::Unusable(text) if text.contains("cluster.endpoints")), "{fault:?}");
    });
}

/// The one of its metrics speaks HTTP. (Its peers' port serves clients as well.)
#[test]
fn the_wrong_port_of_an_etcd() {
    with_etcd(|directory| {
        let _members = members(directory, 1);
        let mut store = Etcd::new(settings(&["http://127.0.0.1:2381".to_owned()]), "net");
        let fault = refused(call_within(&mut store, &create("config", "0"), Duration::from_secs(5)));
        assert!(fault.to_string().contains("cluster.endpoints"), "{fault:?}");
    });
}

#[test]
fn https_where_there_is_none() {
    with_etcd(|directory| {
        let _members = members(directory, 1);
        let authority = Authority::new(directory, "ca");
        let mut settings = settings(&["https://127.0.0.1:2379".to_owned()]);
        settings.tls = Some(TlsFiles { ca: authority.file(), identity: None });
        let mut store = Etcd::new(settings, "net");
        let fault = refused(call_within(&mut store, &create("config", "0"), Duration::from_secs(5)));
        assert!(fault.to_string().contains("does this port speak TLS, or http?"), "{fault:?}");
    });
}
