//! Policies in Python: built from a directory, run in the engine of a node.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use gingham_engine::compile::Compiler;
use gingham_languages::{Kind, Language, build, create};
use gingham_testing::{LogLevel, Network, Policy};
use serde_json::json;
use tempfile::TempDir;
use wasmparser::{Parser, Payload};

const POLICY: &str = include_str!("python/policy.py");
const MANIFEST: &str = "name = \"tested\"\nlanguage = \"python\"\nexports = [\"release-hook\", \"cluster\"]\n";

fn new(parent: &TempDir, name: &str, kind: Kind) -> PathBuf {
    let directory = parent.path().join(name);
    create(&directory, &name.parse().unwrap(), Language::Python, kind).unwrap();
    directory
}

/// `.ci/run` puts it on the path.
fn has_componentize_py() -> bool {
    let directories = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&directories).any(|directory| directory.join("componentize-py").is_file());
    skipped_tests::holds(found, "componentize-py on PATH: python3 -m venv, pip install componentize-py==0.25.1")
}

/// The policy in `python`, which does what the pod's name says, whether a build of the same source again is the same, and the
/// number of modules that it is made of.
fn policy() -> &'static (Policy, bool, usize) {
    static POLICY_IN_PYTHON: OnceLock<(Policy, bool, usize)> = OnceLock::new();
    POLICY_IN_PYTHON.get_or_init(|| {
        let parent = TempDir::new().unwrap();
        let directory = new(&parent, "tested", Kind::Plain);
        fs::write(directory.join("policy.py"), POLICY).unwrap();
        fs::write(directory.join("gingham-policy.toml"), MANIFEST).unwrap();
        let built = build(&directory, &mut |_| {}).unwrap().component;
        let is_kept = build(&directory, &mut |_| {}).unwrap().component == built;
        let modules =
            Parser::new(0).parse_all(&built).filter(|payload| matches!(payload, Ok(Payload::ModuleSection { .. })));
        (Compiler::new().unwrap().load("tested", &built).unwrap(), is_kept, modules.count())
    })
}

fn network() -> Network {
    Network::of(&policy().0, json!({"range": "10.32.0.0/22", "cooldown": "0"}))
}

/// What becomes of a request of a pod with this name, and the errors that the policy logs.
fn fate(pod: &str) -> (String, Vec<String>) {
    let mut network = network();
    let text = match network.add("c1").pod("shop", pod).outcome() {
        Ok(grant) => grant.reason().unwrap_or_default().to_owned(),
        Err(error) => error.to_string(),
    };
    let errors = network.log().iter().filter(|line| line.level == LogLevel::Error);
    (text, errors.map(|line| line.message.clone()).collect())
}

#[test]
fn a_policy_in_python_does_what_it_should() {
    if !has_componentize_py() {
        return;
    }
    assert!(policy().1, "the same source gave another component");
    // The others are for the imports of the one.
    assert_eq!(policy().2, 3, "its modules are not linked");
    what_is_raised_has_its_text_and_line();
    print_writes_to_the_policys_log();
    randomness_and_time_are_the_requests();
    the_host_answers_in_pythons_own_types();
    what_is_not_stored_says_why();
    the_optional_exports_are_called();
}

fn what_is_raised_has_its_text_and_line() {
    let (error, logged) = fate("raises");
    let text = "KeyError: 'nothing' at look_up (policy.py:12), allocate (policy.py:19)";
    assert_eq!(logged, [text]);
    assert!(error.contains(text), "{error}");
    assert!(fate("denied").0.ends_with("not this one"));
    assert!(fate("try-again").0.ends_with("later (try again in 1.5 s)"));
    assert!(fate("nothing").1[0].starts_with("TypeError: allocate returned None"));
    assert!(fate("outside").1[0].contains("192.0.2.1, which lies in no pool"));
    assert!(fate("urandom").1[0].contains("no secret random numbers"));
    let mut network = network();
    network.reconfigure(json!({"range": 7}));
    assert_eq!(network.problems(), ["range: found 7, expected a network such as \"10.1.0.0/24\""]);
    for (mode, text) in [("random", "random numbers in allocate only"), ("time", "reads the time in allocate")] {
        network.reconfigure(json!({"range": "10.32.0.0/22", "mode": mode}));
        let error = network.add("c1").outcome().unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}

fn print_writes_to_the_policys_log() {
    let mut network = network();
    network.add("c1").pod("shop", "prints").granted();
    let lines: Vec<_> = network.log().iter().map(|line| (line.level, line.message.as_str())).collect();
    for line in
        [(LogLevel::Info, "a text 7 {'a': [1, 2]} None"), (LogLevel::Warn, "careful"), (LogLevel::Info, "no end")]
    {
        assert!(lines.contains(&line), "{lines:?}");
    }
}

fn randomness_and_time_are_the_requests() {
    let draw = |seed, now| {
        let mut network = network();
        network.set_now(now);
        network.add("c1").pod("shop", "draws").seed(seed).granted().reason().unwrap().to_owned()
    };
    let (first, same, other) = (draw(7, 1_000_000), draw(7, 1_000_000), draw(8, 1_000_000));
    assert_eq!(first, same);
    assert_ne!(first, other, "the seed is not in it");
    assert!(first.ends_with("1000.0 1970-01-01T00:16:40+00:00 1000.0"), "{first}");
    // SplitMix64 of the seed 7, its upper 53 bits: as in JavaScript.
    assert!(first.starts_with("0.38982974839127"), "{first}");
}

fn what_is_not_stored_says_why() {
    assert_eq!(fate("state-errors").0, "HostError: bad-key; HostError: too-long");
}

fn the_host_answers_in_pythons_own_types() {
    let mut network = network();
    network.add("before").pod("shop", "web-0").granted();
    let answer = network.add("c1").pod("shop", "asks").pod_label("app", "web").without_owner().granted();
    let shown = answer.reason().unwrap();
    for part in [
        "pod: ('shop', 'asks', UNKNOWN); owner: None; label: ('web', None, UNKNOWN); labels: ({'app': 'web'}, UNKNOWN);",
        "runtime: ('pod', 'c1', 'eth0', None, {}); node: ('test', 'node-1', UNKNOWN);",
        "leases: [('10.32.0.2', 'web-0', 'before')]; counts: (1, 1);",
        "free: (IPv4Address('10.32.0.3'), IPv4Address('10.32.0.6'))",
        "state: ({'times': [1]}, None, ['asked']); reservations: ([('mine', '10.32.0.9')], None);",
        "faults: ('HostError: bad-key', 'HostError: not-in-pool', \"ValueError: '10.1' does not appear",
        "shares: ('node-1', ['node-1']); hash: 12638187200555641996",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert_eq!(network.state("asked").as_deref(), Some("{\"times\": [1]}"));
}

fn the_optional_exports_are_called() {
    let mut network = network().node("node-1", ["node-1", "node-2"]);
    network.claim("node-2", "10.32.0.0/24");
    assert_eq!(network.next_block().to_string(), "10.32.1.0/24");
    assert_eq!(network.share("node-2"), ["10.32.0.0-10.32.3.255".parse().unwrap()]);
    network.add("c1").pod("shop", "web-0").expect("10.32.1.0/22");
    network.del("c1");
    assert_eq!(network.state("released").as_deref(), Some("\"shop/web-0\""));
}

#[test]
fn a_policy_that_does_not_fit_its_manifest_is_not_built() {
    if !has_componentize_py() {
        return;
    }
    let parent = TempDir::new().unwrap();
    let directory = new(&parent, "first", Kind::Cluster);
    fs::write(directory.join("gingham-policy.toml"), "name = \"first\"\nlanguage = \"python\"\n").unwrap();
    let error = build(&directory, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("policy.py has blocks and next_block and share: add \"cluster\" to exports"), "{error}");
    fs::write(directory.join("policy.py"), "def check_config(:\n").unwrap();
    let error = build(&directory, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("File \"policy.py\", line 1") && error.contains("SyntaxError"), "{error}");
}

#[test]
fn what_is_missing_is_named_with_its_command() {
    let parent = TempDir::new().unwrap();
    let directory = new(&parent, "first", Kind::Plain);
    let own = directory.join(".venv/bin/componentize-py");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::write(&own, "#!/bin/sh\necho componentize-py 0.1.0\n").unwrap();
    make_executable(&own);
    let error = build(&directory, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("is componentize-py 0.1.0, expected 0.25.1: run `.venv/bin/pip install"), "{error}");
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn unit_tests_run_in_python() {
    if !skipped_tests::has("/usr/bin/python3", "python3") {
        return;
    }
    let parent = TempDir::new().unwrap();
    for kind in Kind::ALL {
        let directory = new(&parent, kind.as_str(), kind);
        let output = Command::new("/usr/bin/python3").args(["-m", "unittest"]).current_dir(directory).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("Ran 1 test"), "{text}");
    }
}
