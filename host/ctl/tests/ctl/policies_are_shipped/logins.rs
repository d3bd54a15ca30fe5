//! Logins are those of docker and podman, and never printed.

use serde_json::json;

use super::harness::{ADDRESS, HTPASSWD, REFERENCE, Registry, Service, Shop, on_a_host, text, with_registry};
use super::peer::{Heard, Peer, answer, manifest};

const SECRET: &str = "s3cret-0815";

fn with_login(work: impl FnOnce(&Shop) + Send) {
    if !skipped_tests::has(HTPASSWD, "apache2-utils") {
        return;
    }
    with_registry(|shop| {
        let _registry = Registry::start(shop, &Service { tls: None, login: Some(("alice", SECRET)) });
        work(shop);
    });
}

#[test]
fn a_login_is_required_and_accepted_or_rejected() {
    with_login(|shop| {
        let policy = shop.policy();
        let push = || shop.plain(&["push", text(&policy), REFERENCE]);
        insta::assert_snapshot!("no login", shop.scrubbed(&push().failed()));
        shop.log_in("alice", "wrong-4711");
        let said = push().failed();
        assert!(!said.contains("wrong-4711"), "{said}");
        insta::assert_snapshot!("wrong login", shop.scrubbed(&said));
        shop.log_in("alice", SECRET);
        push().done();
        let mut command = shop.command(&["add", REFERENCE, "--plain-http"]);
        command.env("GINGHAM_LOG", "trace");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("request"), "{said}");
        assert!(!said.contains(SECRET) && !said.contains("Basic "), "{said}");
    });
}

#[test]
fn helpers_are_asked() {
    with_login(|shop| {
        shop.write("home/.docker/config.json", json!({"credsStore": "test"}).to_string());
        let policy = shop.policy();
        let push = || shop.plain(&["push", text(&policy), REFERENCE]);
        assert!(push().failed().contains("cannot run docker-credential-test"));
        shop.program("docker-credential-test", "echo it broke; exit 1");
        let said = push().failed();
        assert!(said.contains("docker-credential-test failed: run `echo 127.0.0.1:5000 |"), "{said}");
        shop.program("docker-credential-test", "echo credentials not found in native keychain; exit 1");
        assert!(push().failed().contains("requires a login"));
        let script = format!(
            r#"[ "$1" = get ] && [ "$(cat)" = {ADDRESS} ] && echo '{{"ServerURL": "", "Username": "alice", "Secret": "{SECRET}"}}'"#
        );
        shop.program("docker-credential-test", &script);
        push().done();
        shop.write("home/.docker/config.json", json!({"credHelpers": {ADDRESS: "../test"}}).to_string());
        assert!(push().failed().contains("invalid credential helper"));
    });
}

/// A registry that wants tokens of its token server.
fn token_registry(heard: &Heard, stream: &mut std::net::TcpStream) {
    let challenge = format!(
        r#"WWW-Authenticate: Bearer realm="http://{ADDRESS}/token",service="s",scope="repository:team/sticky:pull""#
    );
    let body = manifest("text/html", &format!("sha256:{}", "0".repeat(64)), 1).to_string();
    match (heard.request.as_str(), heard.header("authorization")) {
        (request, login) if request.contains("/token") => {
            let good = login == Some("Basic YWxpY2U6czNjcmV0LTA4MTU=") || request.starts_with("POST");
            let status = if good { "200 OK" } else { "401 Unauthorized" };
            answer(stream, status, &[], br#"{"token": "t-23", "expires_in": 60}"#);
        }
        (_, Some("Bearer t-23")) => answer(stream, "200 OK", &[], body.as_bytes()),
        _ => answer(stream, "401 Unauthorized", &[&challenge], b"{}"),
    }
}

#[test]
fn tokens_are_fetched_with_a_password_or_an_identity_token() {
    on_a_host(|shop| {
        let peer = Peer::start(token_registry);
        assert!(shop.plain(&["pull", REFERENCE]).failed().contains("requires a login"));
        shop.log_in("alice", "wrong");
        assert!(shop.plain(&["pull", REFERENCE]).failed().contains("rejected the user name or password"));
        shop.log_in("alice", SECRET);
        // The manifest came, and is no policy's.
        assert!(shop.plain(&["pull", REFERENCE]).failed().contains("its layer has type text/html"));
        let heard = peer.heard();
        let token = heard.iter().rfind(|heard| heard.request.contains("/token")).unwrap();
        assert_eq!(token.request, "GET /token?service=s&scope=repository%3Ateam%2Fsticky%3Apull");
        let json = json!({"auths": {ADDRESS: {"identitytoken": "refresh"}}});
        shop.write("home/.docker/config.json", json.to_string());
        assert!(shop.plain(&["pull", REFERENCE]).failed().contains("its layer has type text/html"));
        assert!(peer.heard().iter().any(|heard| heard.request == "POST /token"));
    });
}

#[test]
fn another_host_never_sees_the_login() {
    on_a_host(|shop| {
        shop.log_in("alice", SECRET);
        let digest = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        let body = manifest("application/wasm", digest, 3).to_string();
        let peer = Peer::start(move |heard, stream| match heard.header("authorization") {
            None => answer(stream, "401 Unauthorized", &["WWW-Authenticate: Basic realm=\"r\""], b""),
            Some(_) if heard.request.contains("/blobs/") => {
                answer(stream, "307 Temporary Redirect", &["Location: http://127.0.0.1:5001/storage?sig=x"], b"");
            }
            Some(_) => answer(stream, "200 OK", &[], body.as_bytes()),
        });
        let storage = Peer::at("127.0.0.1:5001", |_, stream| answer(stream, "200 OK", &[], b"foo"));
        shop.plain(&["pull", REFERENCE, "-o", "foo"]).done();
        assert_eq!(std::fs::read(shop.path("foo")).unwrap(), b"foo");
        assert!(peer.heard().iter().any(|heard| heard.header("authorization").is_some()));
        let [heard] = &storage.heard()[..] else { panic!("{:?}", storage.heard()) };
        assert_eq!((heard.request.as_str(), heard.header("authorization")), ("GET /storage?sig=x", None));
    });
}
