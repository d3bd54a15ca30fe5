//! The proxies of the environment lead to a registry.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::thread;

use super::harness::{ADDRESS, Authority, REFERENCE, Registry, Service, on_a_host, text, with_registry};
use super::peer::{Heard, Peer, answer};
use crate::program::Said;

const PROXY: &str = "http://user:pr0xy-pass@127.0.0.1:3128";
const AUTHORIZATION: &str = "Basic dXNlcjpwcjB4eS1wYXNz";

/// Carries bytes to the registry, whatever they mean.
fn tunnel(heard: &Heard, stream: &mut TcpStream) {
    if heard.request != format!("CONNECT {ADDRESS}") {
        return answer(stream, "400 Bad Request", &[], b"");
    }
    let mut registry = TcpStream::connect(ADDRESS).unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let (mut from, mut to) = (stream.try_clone().unwrap(), registry.try_clone().unwrap());
    thread::spawn(move || io::copy(&mut from, &mut to));
    let _ = io::copy(&mut registry, stream);
}

#[test]
fn a_registry_with_tls_is_reached_through_a_tunnel() {
    with_registry(|shop| {
        let authority = Authority::new(shop, "ours");
        let _registry = Registry::start(shop, &Service { tls: Some(&authority), login: None });
        let proxy = Peer::at("127.0.0.1:3128", tunnel);
        let policy = shop.policy();
        let push = |variables: &[(&str, &str)]| {
            let mut command = shop.command(&["push", text(&policy), REFERENCE, "--ca", text(&authority.file)]);
            Said::by(command.envs(variables.iter().copied()))
        };
        push(&[("HTTPS_PROXY", PROXY)]).done();
        let heard = proxy.heard();
        assert!(
            !heard.is_empty() && heard.iter().all(|heard| heard.header("proxy-authorization") == Some(AUTHORIZATION))
        );
        push(&[("HTTPS_PROXY", PROXY), ("NO_PROXY", "127.0.0.1")]).done();
        assert_eq!(proxy.heard().len(), heard.len());
        let said = push(&[("HTTPS_PROXY", "http://user:pr0xy-pass@127.0.0.1:3129")]).failed();
        assert!(said.contains("proxy http://127.0.0.1:3129/: Connection refused"), "{said}");
        let said = push(&[("HTTPS_PROXY", "socks5://127.0.0.1:3128")]).failed();
        assert!(said.contains("only http:// proxies are supported"), "{said}");
    });
}

#[test]
fn a_registry_without_tls_is_reached_by_the_proxy_itself() {
    on_a_host(|shop| {
        let proxy = Peer::at("127.0.0.1:3128", |_, stream| answer(stream, "404 Not Found", &[], b""));
        let mut command = shop.command(&["pull", REFERENCE, "--plain-http"]);
        let said = Said::by(command.env("HTTP_PROXY", PROXY)).failed();
        assert!(said.contains("does not exist") && !said.contains("pr0xy-pass"), "{said}");
        let [heard] = &proxy.heard()[..] else { panic!("{:?}", proxy.heard()) };
        assert_eq!(heard.request, format!("GET http://{ADDRESS}/v2/team/sticky/manifests/1.0"));
        assert_eq!((heard.header("proxy-authorization"), heard.header("host")), (Some(AUTHORIZATION), Some(ADDRESS)));
    });
}
