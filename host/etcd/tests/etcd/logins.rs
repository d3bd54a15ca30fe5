//! Users, passwords and roles.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gingham_etcd::Etcd;
use gingham_ownership::etcd_settings::{EtcdSettings, Login, Password, Secret};
use gingham_ownership::shared_store::{Reply, StoreFault};
use gingham_testbed::etcd::{Etcd as Members, Layout};

use crate::testbed::{LOOPBACK, PATIENCE, call, create, get, list, refused, settings, with_etcd, written};

const CTL: &str = "/usr/bin/etcdctl";

fn ctl(arguments: &[&str]) {
    let output = Command::new(CTL)
        .env("ETCDCTL_API", "3")
        .args(["--endpoints=127.0.0.1:2379", "--user=root:root"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A user `node` that may use what begins with `/gingham/`, and a user `guest` that may do nothing.
fn users() {
    for line in [
        "user add root:root",
        "user add node:secret",
        "user add guest:guest",
        "role add gingham",
        "role grant-permission gingham readwrite --prefix /gingham/",
        "user grant-role node gingham",
        "user grant-role root root",
    ] {
        ctl(&line.split(' ').collect::<Vec<_>>());
    }
}

fn with_users(work: impl FnOnce(&Path, &Members) + Send) {
    if !skipped_tests::has(CTL, "etcd-client") {
        return;
    }
    with_etcd(|directory| {
        // Tokens are forgotten quickly, so that this happens within a test.
        let mut layout = Layout::at(directory, LOOPBACK, 1);
        layout.arguments = vec!["--auth-token-ttl=1".to_owned(), "--max-request-bytes=4096".to_owned()];
        let members = Members::start(&layout).unwrap();
        users();
        work(directory, &members);
    });
}

/// Waits until etcd has forgotten the token of the user `node`.
fn until_forgotten(members: &Members) {
    let is_it = |line: &str| line.contains("deleted a simple token") && line.contains(r#""user-name":"node""#);
    let deadline = Instant::now() + PATIENCE;
    while !members.log(0).lines().any(is_it) {
        assert!(Instant::now() < deadline, "the token is never forgotten: {}", members.log(0));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn as_user(members: &Members, user: &str, password: &str) -> EtcdSettings {
    let password = Password::Text(Secret(password.to_owned()));
    EtcdSettings { login: Some(Login { user: user.to_owned(), password }), ..settings(&members.endpoints()) }
}

fn fault(settings: EtcdSettings) -> String {
    match refused(call(&mut Etcd::new(settings, "net"), &create("members/x", "0"))) {
        StoreFault::Denied(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_user_with_a_role_works_and_everybody_else_is_told_what_to_change() {
    with_users(|directory, members| {
        ctl(&["auth", "enable"]);
        let mut store = Etcd::new(as_user(members, "node", "secret"), "net");
        written(call(&mut store, &create("config", "0")));
        assert!(matches!(call(&mut store, &list("")), Reply::Listed { records, .. } if records.len() == 1));

        let file = directory.join("password");
        std::fs::write(&file, "secret\n").unwrap();
        let mut from_file = as_user(members, "node", "");
        from_file.login = Some(Login { user: "node".to_owned(), password: Password::File(file.clone()) });
        assert!(matches!(call(&mut Etcd::new(from_file.clone(), "net"), &get("config")), Reply::Got(Some(_))));
        std::fs::remove_file(&file).unwrap();
        assert!(fault(from_file).contains("cluster.passwordFile"));

        let wrong = fault(as_user(members, "node", "wrong"));
        assert!(wrong.contains("http://127.0.0.1:2379") && wrong.contains("cluster.password"), "{wrong}");
        assert!(fault(as_user(members, "nobody", "secret")).contains("cluster.user"));
        assert!(fault(settings(&members.endpoints())).contains("cluster.user"));
        assert!(fault(as_user(members, "guest", "guest")).contains("cluster.prefix"));
        let elsewhere = EtcdSettings { prefix: "/other".to_owned(), ..as_user(members, "node", "secret") };
        assert!(fault(elsewhere).contains("cluster.prefix"));
    });
}

#[test]
fn credentials_may_come_before_etcd_asks_for_them_and_tokens_may_expire() {
    with_users(|_, members| {
        let mut store = Etcd::new(as_user(members, "node", "secret"), "net");
        written(call(&mut store, &create("config", "0")));
        ctl(&["auth", "enable"]);
        // On the same connection, which has no token.
        assert!(matches!(call(&mut store, &get("config")), Reply::Got(Some(_))));
        // Roles that change may make a token old; a token that is unused longer than its time is forgotten.
        ctl(&["role", "add", "other"]);
        written(call(&mut store, &create("members/a", "0")));
        until_forgotten(members);
        written(call(&mut store, &create("members/b", "0")));
    });
}
