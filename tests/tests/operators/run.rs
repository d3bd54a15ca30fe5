//! A command in a network.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};

use gingham_tests::ctl::ctl;
use gingham_tests::kernel;
use gingham_tests::networks::{bridged, bridged_with};
use gingham_tests::node::{CTL, PLUGINS};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{CONFIG_DIR, node_with};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(CTL);
    command.args(["run", "mynet", "--config-dir", CONFIG_DIR]).args(arguments).env("CNI_PATH", PLUGINS);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn it_runs_inside_and_nothing_stays() {
    let _node = node_with(&[bridged_with(json!({"ipMasq": true}))]);
    let output = run(&["--json", "--", "sh", "-c", "cat /proc/net/dev /proc/net/fib_trie; exit 3"]);
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(said.contains("eth0:") && !said.contains("cni0:") && said.contains("10.7.0.2"), "{said}");
    let result: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(result["ips"][0]["address"], "10.7.0.2/24");
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

/// They are in the lease store while the command runs, and then what was there before.
#[test]
fn a_pod_is_described_by_options() {
    let network =
        bridged_with(json!({"ipam": {"type": "gingham", "policy": "by-annotation", "subnet": "10.7.0.0/24"}}));
    let _node = node_with(&[network]);
    let policy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("policies/by-annotation");
    fs::write("/run/by-annotation.wasm", gingham_build::build_policy(&policy).unwrap().bytes).unwrap();
    ctl(&["policy", "add", "/run/by-annotation.wasm"]).done();
    let refused = || {
        let output = run(&["--pod", "shop/web-0", "--", "true"]);
        let told = text(&output.stderr);
        assert!(!output.status.success() && told.contains("annotations are unknown"), "{told}");
    };
    refused();
    let annotation = "gingham/address=10.7.0.20";
    let output = run(&["--pod", "shop/web-0", "--annotation", annotation, "--", "cat", "/proc/net/fib_trie"]);
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && said.contains("10.7.0.20"), "{said}{told}");
    refused();
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

#[test]
fn a_list_is_run_as_a_chain() {
    let plugins = json!([bridged(), {"type": "second"}]);
    let _node = node_with(&[json!({"cniVersion": "1.1.0", "name": "mynet", "plugins": plugins})]);
    let script = "#!/bin/sh\ncat > /run/second.$CNI_COMMAND\necho '{\"cniVersion\":\"1.1.0\",\"ips\":[],\"dns\":{\"domain\":\"d\"}}'\n";
    // What others write and run at once may still be open for writing; a script is read by its interpreter.
    let second = format!("{PLUGINS}/second");
    fs::write(&second, script).unwrap();
    fs::set_permissions(&second, fs::Permissions::from_mode(0o755)).unwrap();
    let output = run(&["--", "true"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let read =
        |verb: &str| -> Value { serde_json::from_slice(&fs::read(format!("/run/second.{verb}")).unwrap()).unwrap() };
    assert_eq!(read("ADD")["prevResult"]["ips"][0]["address"], "10.7.0.2/24");
    assert_eq!(read("DEL")["prevResult"]["dns"]["domain"], "d", "the last result");
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

/// Started, and waited for until it says so.
fn started(script: &str) -> Child {
    let mut child = command(&["--name", "job", "--", "sh", "-c", script]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

#[test]
fn signals_are_the_commands_and_everything_is_cleaned_up() {
    let cases = [
        (Signal::TERM, "echo ready; exec sleep 1000", 143),
        (Signal::INT, "echo ready; exec sleep 1000", 130),
        (Signal::TERM, "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done", 7),
    ];
    let _node = node_with(&[bridged()]);
    for (signal, script, code) in cases {
        let child = started(script);
        assert_eq!(kernel::leases("mynet").len(), 1);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{script}: {}", text(&output.stderr));
        assert_eq!(kernel::traces("mynet", "cni0"), [""; 0], "{script}");
    }
}

#[test]
fn after_a_kill_gc_finds_what_is_left() {
    let _node = node_with(&[bridged()]);
    let mut child = started("echo ready; read nothing");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(kernel::leases("mynet"), ["job eth0 10.7.0.2"]);
    let said = ctl(&["gc"]).done();
    assert!(said.starts_with("freed 1 of 1 attachment"), "{said}");
}

#[test]
fn what_cannot_run_says_why() {
    let _node = node_with(&[bridged_with(json!({"ipam": {"subnet": "10.7.0.1/24"}}))]);
    let refused = run(&["--", "true"]);
    assert_eq!(refused.status.code(), Some(125));
    assert!(
        text(&refused.stderr).starts_with("ginghamctl: ADD of plugin gingham failed: "),
        "{}",
        text(&refused.stderr)
    );
    fs::write(format!("{CONFIG_DIR}/mynet.conf"), bridged().to_string()).unwrap();
    for (program, code) in [("/no/such/program", 127), ("/etc/passwd", 126)] {
        let output = run(&["--", program]);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    }
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

#[test]
fn policies_of_another_library_are_used() {
    let _node = node_with(&[bridged_with(json!({"ipam": {"type": "gingham", "policy": "honest", "subnet": null}}))]);
    let module = gingham_tests::guests::module("honest");
    ctl(&["--library", "/run/library", "policy", "add", module.to_str().unwrap(), "--name", "honest"]).done();
    let output = run(&["--", "true"]);
    assert_eq!(output.status.code(), Some(125), "{}", text(&output.stderr));
    let output = run(&["--library", "/run/library", "--", "cat", "/proc/net/fib_trie"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("10.66.0.2"), "{}", text(&output.stdout));
}

#[test]
fn the_pod_of_the_option_is_the_runtimes_pod() {
    let _node = node_with(&[bridged()]);
    let output = run(&["--pod", "shop/web-0", "--", CTL, "leases"]);
    assert!(text(&output.stdout).contains("shop/web-0"), "{}{}", text(&output.stdout), text(&output.stderr));
}
