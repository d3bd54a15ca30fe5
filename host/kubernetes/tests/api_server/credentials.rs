//! Tokens and certificates: the API server decides, and the store reports what to do.

use std::fs;
use std::time::Duration;

use gingham_kubernetes::{AGENT, Api, Config, KubernetesStore, Pem, Permissions, Server};
use gingham_kubernetes_tests::{programs, users};
use gingham_ownership::shared_store::{Reply, StoreFault};

use crate::setup::{BLOCK, block, call, call_within, config, control_plane, create, get, refused, token_file, written};

#[test]
fn a_token_is_read_for_each_request_and_a_wrong_one_is_reported() {
    if !programs::has_control_plane() {
        return;
    }
    let plane = control_plane();
    let token = token_file(&plane, "token", "wrong");
    let config = config(&plane, &plane.url(), &token);
    let mut store = KubernetesStore::new(Api::new(config.clone(), Permissions::Only(AGENT)), "pods").unwrap();
    let mut denied = |wanted: &str| {
        for reply in [call(&mut store, &get(BLOCK)), call(&mut store, &create(BLOCK, &block("node-1")))] {
            let fault = refused(reply);
            assert!(matches!(&fault, StoreFault::Denied(text) if text.contains(wanted)), "{wanted}: {fault:?}");
        }
    };
    denied("401");
    fs::write(&token, " \n").unwrap();
    denied("it is empty");
    fs::write(&token, &plane.user("system:node:node-1").token).unwrap();
    denied("apply the ClusterRole");
    fs::remove_file(&token).unwrap();
    denied("cannot use the token");
    fs::write(&token, format!("{}\n", plane.user(users::ADMIN).token)).unwrap();
    written(call(&mut store, &create(BLOCK, &block("node-1"))));

    let fault = |config: Config| {
        let mut store = KubernetesStore::new(Api::new(config, Permissions::Only(AGENT)), "pods").unwrap();
        refused(call_within(&mut store, &get(BLOCK), Duration::from_secs(5)))
    };
    let anonymous = fault(Config { token: None, ..config.clone() });
    assert!(anonymous.to_string().contains("system:anonymous"), "{anonymous}");
    let key = rcgen::KeyPair::generate().unwrap();
    let other = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let stranger = fault(Config { authority: Pem::Text(other.pem().into_bytes()), ..config.clone() });
    assert!(matches!(&stranger, StoreFault::Denied(text) if text.contains("was not signed")), "{stranger:?}");
    let none = fault(Config { authority: Pem::Text(b"no PEM".to_vec()), ..config.clone() });
    assert!(none.to_string().contains("contains no certificate"), "{none}");
    let server = Server { tls: false, ..config.server.clone() };
    let plain = fault(Config { server, ..config });
    assert!(matches!(plain, StoreFault::Unusable(_)), "{plain:?}");
    assert!(matches!(call(&mut store, &get(BLOCK)), Reply::Got(Some(_))));
}
