//! A library of policies without room: the object says so, and the policy is installed when there is.

use std::fs;
use std::process::Command;

use gingham_engine::library::Digest;
use gingham_kubernetes_tests::programs;
use serde_json::json;

use crate::policies_are_installed::{component, inline, object};
use crate::testbed::{NODE, Testbed};

const LIBRARY: &str = "/var/lib/gingham/policies";

fn mount(options: &str) {
    let arguments = ["-t", "tmpfs", "-o", options, "tmpfs", LIBRARY];
    assert!(Command::new("mount").args(arguments).status().unwrap().success());
}

#[test]
fn a_policy_for_which_there_is_no_room_comes_when_there_is() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[NODE]);
    fs::create_dir_all(LIBRARY).unwrap();
    mount("size=100k,mode=755");
    let quota = component("quota");
    testbed.create(&object("teams", &Digest::of(&quota), &inline(&quota), &json!({})));
    let _agent = testbed.agent();
    let failed = testbed.until_condition("teams", "Serving", "False", "NodeFailed");
    assert!(failed["message"].as_str().unwrap().to_lowercase().contains("no space left"), "{failed}");
    assert_eq!(testbed.report(NODE, "teams")["reason"], "InstallFailed");
    mount("remount,size=50m");
    testbed.until_condition("teams", "Serving", "True", "AllNodes");
}
