//! Whatever others wrote into names, paths and messages: a terminal obeys none of it, one line stays one, and JSON is
//! exact.

use std::fs;

use gingham_tests::cni::Cni;
use gingham_tests::ctl::{Said, ctl};
use gingham_tests::guests::guest;
use gingham_tests::networks::{bridged, bridged_with};
use serde_json::{Value, json};

use crate::{CONFIG_DIR, node_with};

/// Clears the screen, colours it, turns the direction of writing and begins a line of its own.
const HOSTILE: &str = "x\u{1b}[2J\nforged: all is well\r\t\u{9b}31m\u{202e}\u{2066}\u{2028}\u{200b}\u{7f}\u{e0041}";

/// A text for people.
#[track_caller]
fn is_tame(text: &str) {
    let is_shown = |c: char| c == '\n' || matches!(c, '\\' | '"' | '\'') || c.escape_debug().len() == 1;
    assert!(text.chars().all(is_shown), "{text:?}");
    assert!(!text.lines().any(|line| line.trim_start().starts_with("forged")), "{text}");
}

/// JSON for programs, with a hostile text in it that comes back as it was.
#[track_caller]
fn is_exact(text: &str, pointer: &str) {
    assert!(
        text.chars().all(|c| c == '\n' || c.escape_debug().len() == 1 || matches!(c, '\\' | '"' | '\'')),
        "{text:?}"
    );
    let json: Value = serde_json::from_str(text).unwrap();
    assert_eq!(json.pointer(pointer).and_then(Value::as_str), Some(HOSTILE), "{json}");
}

/// All that a command printed.
fn all(said: &Said) -> String {
    said.stdout() + &said.stderr()
}

#[test]
fn of_files_and_configurations() {
    let _node = node_with(&[bridged_with(json!({"bridge": HOSTILE}))]);
    fs::write(format!("{CONFIG_DIR}/{HOSTILE}.conf"), "{").unwrap();
    let named = json!({"cniVersion": "1.1.0", "name": HOSTILE, "type": "gingham"});
    fs::write(format!("{CONFIG_DIR}/named.conf"), named.to_string()).unwrap();
    let typed = json!({"cniVersion": HOSTILE, "name": "typed", "type": HOSTILE, "ipam": {"type": HOSTILE}});
    fs::write(format!("{CONFIG_DIR}/typed.conf"), typed.to_string()).unwrap();
    let directory = ["--config-dir", CONFIG_DIR];
    let hostile_path = format!("{CONFIG_DIR}/{HOSTILE}.conf");
    let commands: [&[&str]; 12] = [
        &["status"],
        &["status", "--network", HOSTILE],
        &["check-config", "mynet"],
        &["check-config", HOSTILE],
        &["check-config", "typed"],
        &["check-config", "not\u{1b}there\n"],
        &["check-config", &hostile_path],
        &["cluster", "status"],
        &["cluster", "status", "--network", HOSTILE],
        &["cluster", "takeover", HOSTILE],
        &["allocate", HOSTILE, "--owner", HOSTILE],
        &["run", "typed", "--", "true"],
    ];
    for command in commands {
        is_tame(&all(&ctl(&[command, &directory].concat()[..])));
    }
    // Wrong usage is explained in lines.
    is_tame(&all(&ctl(&[HOSTILE.replace('\n', "").as_str()])));
    is_tame(&all(&ctl(&["policy", "add", HOSTILE])));
    is_tame(&all(&ctl(&["leases", "--network", HOSTILE])));
    is_tame(&all(&ctl(&["leases", "--data-dir", HOSTILE])));
    is_exact(
        &ctl(&["status", "--json", "--network", HOSTILE, "--config-dir", CONFIG_DIR]).done(),
        "/networks/0/network",
    );
}

#[test]
fn of_pods_and_containers() {
    let node = node_with(&[bridged()]);
    let container = node.container("c1");
    let arguments = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE={HOSTILE};K8S_POD_NAME={HOSTILE}");
    let path = std::path::PathBuf::from(format!("/run/{HOSTILE}"));
    fs::File::create(&path).unwrap();
    rustix::mount::mount_bind(&container.netns, &path).unwrap();
    let outcome = Cni::add(&bridged(), &container).args(&arguments).netns(&path).run();
    outcome.result();
    is_tame(outcome.stdout());
    let result: Value = serde_json::from_str(outcome.stdout()).unwrap();
    assert_eq!(result["interfaces"][2]["sandbox"], path.to_str().unwrap());
    is_tame(&ctl(&["leases"]).done());
    is_exact(&ctl(&["leases", "--json"]).done(), "/leases/0/pod/name");
    rustix::mount::unmount(&path, rustix::mount::UnmountFlags::DETACH).unwrap();
    is_tame(&all(&ctl(&["gc", "--dry-run"])));
    is_tame(&all(&ctl(&["status", "--config-dir", CONFIG_DIR])));
}

#[test]
fn of_what_a_runtime_says() {
    let node = node_with(&[]);
    let container = node.container("c1");
    let add = |network: &Value| Cni::add(network, &container);
    let calls = [
        add(&bridged()).variable("CNI_CONTAINERID", HOSTILE),
        add(&bridged()).netns(HOSTILE),
        add(&bridged()).interface(HOSTILE),
        add(&bridged()).args(HOSTILE),
        add(&bridged()).variable("CNI_COMMAND", HOSTILE),
        add(&bridged_with(json!({"name": HOSTILE}))),
        add(&bridged_with(json!({"cniVersion": HOSTILE}))),
        add(&bridged_with(json!({"ipam": {"type": HOSTILE}}))),
        add(&bridged_with(json!({"ipam": {"type": "gingham", "policy": HOSTILE}}))),
        add(&bridged_with(json!({"ipam": {"subnet": HOSTILE}}))),
        add(&bridged_with(json!({"ipam": {"resolvConf": HOSTILE}}))),
        add(&bridged()).input(&format!("{{\"name\": \"{HOSTILE}\"")),
    ];
    for call in calls {
        let outcome = call.run();
        let fault = outcome.fault();
        // Decoded, as a runtime shows it.
        for text in [outcome.stdout(), &outcome.stderr, &fault.msg, &fault.details] {
            is_tame(text);
            assert!(!fault.msg.contains('\n') && !fault.details.contains('\n'), "{fault:?}");
        }
    }
}

#[test]
fn of_policies_and_other_plugins() {
    let node = node_with(&[]);
    guest("forges_log_lines").install();
    let network = bridged_with(json!({"ipam": {"type": "gingham", "policy": "forges_log_lines", "subnet": null}}));
    let outcome = Cni::add(&network, &node.container("c1")).run();
    is_tame(&outcome.stderr);
    is_tame(outcome.stdout());

    let script = format!("#!/bin/sh\nprintf '%s' '{HOSTILE}' >&2\nprintf '%s' '{HOSTILE}'\nexit 1\n");
    fs::create_dir_all("/run/plugins").unwrap();
    fs::write("/run/plugins/other", script).unwrap();
    fs::set_permissions("/run/plugins/other", std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let network = bridged_with(json!({"name": "other", "ipam": {"type": "other"}}));
    let outcome = Cni::add(&network, &node.container("c2")).directory("/run/plugins").run();
    let fault = outcome.fault();
    for text in [outcome.stdout(), &outcome.stderr, &fault.msg, &fault.details] {
        is_tame(text);
    }
}
