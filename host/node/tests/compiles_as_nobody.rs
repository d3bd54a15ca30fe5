//! Where there are several users, the compiler of a foreign component runs as `nobody`. The other tests of the agent run in a
//! namespace with one user in it, where it gives up its capabilities alone; so this one runs as root.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "in_kubernetes/testbed.rs"]
#[allow(dead_code, reason = "the other tests need the rest")]
mod testbed;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gingham_engine::library::Digest;
use gingham_kubernetes_tests::programs;
use serde_json::{Value, json};

use testbed::{NODE, PATIENCE, Testbed};

/// `/proc/PID/status` of the process that compiles, while there is one, with its limits.
fn compiler() -> Option<BTreeMap<String, String>> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let mut processes = processes.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    let found = processes.find(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).starts_with("/run/ginghamctl\0policy\0compile\0")
    })?;
    let status = fs::read_to_string(found.path().join("status")).ok()?;
    let fields = status.lines().filter_map(|line| line.split_once(':'));
    let mut status: BTreeMap<_, _> = fields.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect();
    status.insert("oom".to_owned(), fs::read_to_string(found.path().join("oom_score_adj")).ok()?.trim().to_owned());
    status.insert("limits".to_owned(), fs::read_to_string(found.path().join("limits")).ok()?);
    Some(status)
}

fn has_several_users() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    let users = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()).sum::<u64>();
    users > 65_534
}

#[test]
fn the_compiler_of_an_objects_component_is_nobody_and_can_do_nothing() {
    if !programs::has_control_plane() {
        return;
    }
    if !skipped_tests::holds(has_several_users(), "root, for a compiler that is another user") {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[NODE]);
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("policies/quota");
    let component = gingham_build::build_policy(&policy).unwrap().bytes;
    let spec = json!({"digest": Digest::of(&component).to_string(), "source": {"inline": STANDARD.encode(&component)}});
    testbed.create(&json!({
        "apiVersion": "gingham.dev/v1alpha1", "kind": "AllocationPolicy", "metadata": {"name": "teams"}, "spec": spec,
    }));
    let _agent = testbed.agent();
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(found) = compiler() {
            break found;
        }
        assert!(Instant::now() < deadline, "it was not seen");
        std::thread::sleep(Duration::from_millis(1));
    };
    for key in ["Uid", "Gid"] {
        assert_eq!(status[key], "65534\t65534\t65534\t65534", "{status:?}");
    }
    assert_eq!(status["Groups"], "", "{status:?}");
    for key in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status[key], "0000000000000000", "{key}: {status:?}");
    }
    assert_eq!(status["NoNewPrivs"], "1", "{status:?}");
    // A filter.
    assert_eq!(status["Seccomp"], "2", "{status:?}");
    assert_eq!(status["oom"], "1000", "where memory is short the kernel ends it first: {status:?}");
    let limit =
        |name: &str| status["limits"].lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    assert_eq!((limit("Max open files"), limit("Max core file size")), (Some("32"), Some("0")), "{}", status["limits"]);
    assert_ne!(limit("Max address space"), Some("unlimited"), "{}", status["limits"]);
    testbed.until("the policy serves", || {
        let member = testbed.kubectl().get(&["networkmembers", &format!("pods.{NODE}")]);
        let report: Value = member["status"]["policies"][0].clone();
        if report["state"] == "Serving" { Ok(()) } else { Err(report.to_string()) }
    });
}
