//! A registry that takes connections and answers nothing: its policies wait, and no other one.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use gingham_engine::library::Digest;
use gingham_kubernetes_tests::programs;
use gingham_testbed::machine::hide_in_etc;
use serde_json::json;

use crate::policies_are_installed::{component, inline, object, trust};
use crate::testbed::{NODE, Testbed};

#[test]
fn what_waits_for_them_delays_no_other_policy() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[NODE]);
    hide_in_etc("gingham", Path::new("/run/etc-with-gingham")).unwrap();
    fs::create_dir_all("/run/etc-with-gingham").unwrap();
    trust(
        "[[trust]]\nfiles = true\nrequire = false\n[[trust]]\nreferences = [\"127.0.0.1:5001/*\"]\nrequire = false\n",
    );
    // The kernel answers those who connect.
    let _silent = TcpListener::bind("127.0.0.1:5001").unwrap();
    // By name they come before the other one.
    for name in ["a-first", "a-second"] {
        let source = json!({"image": format!("127.0.0.1:5001/{name}:1")});
        testbed.create(&object(name, &Digest::of(b"x"), &source, &json!({})));
    }
    let agent = testbed.agent();
    testbed.until_report(NODE, "a-first", "Installing");
    let quota = component("quota");
    testbed.create(&object("teams", &Digest::of(&quota), &inline(&quota), &json!({})));
    testbed.until_condition("teams", "Serving", "True", "AllNodes");
    assert_eq!(testbed.report(NODE, "a-second")["state"], "Installing");
    drop(agent);
}
