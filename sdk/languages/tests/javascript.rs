//! Policies in JavaScript: built from a directory, run in the engine of a node.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use gingham_engine::compile::Compiler;
use gingham_languages::{Kind, Language, build, create};
use gingham_testing::{LogLevel, Network, Policy};
use serde_json::{Value, json};
use tempfile::TempDir;

const POLICY: &str = include_str!("javascript/policy.js");
const HELPER: &str = include_str!("javascript/helper.js");

fn new(parent: &TempDir, name: &str, kind: Kind) -> PathBuf {
    let directory = parent.path().join(name);
    create(&directory, &name.parse().unwrap(), Language::JavaScript, kind).unwrap();
    directory
}

fn load(directory: &Path) -> Policy {
    Compiler::new().unwrap().load("tested", &build(directory, &mut |_| {}).unwrap().component).unwrap()
}

/// A network of the policy in `javascript`, which does what the pod's name says.
fn network() -> Network {
    static POLICY_IN_JAVASCRIPT: OnceLock<Policy> = OnceLock::new();
    let policy = POLICY_IN_JAVASCRIPT.get_or_init(|| {
        let parent = TempDir::new().unwrap();
        let directory = new(&parent, "tested", Kind::Plain);
        fs::write(directory.join("policy.js"), POLICY).unwrap();
        fs::create_dir(directory.join("lib")).unwrap();
        fs::write(directory.join("lib/helper.js"), HELPER).unwrap();
        load(&directory)
    });
    Network::of(policy, config())
}

fn config() -> Value {
    json!({"subnet": "10.1.0.0/24", "cooldown": "0"})
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

/// Why a policy with this main module is not built.
fn fault_of(policy: &str) -> String {
    let parent = TempDir::new().unwrap();
    let directory = new(&parent, "faulty", Kind::Plain);
    fs::write(directory.join("policy.js"), policy).unwrap();
    build(&directory, &mut |_| {}).unwrap_err().to_string().replace(&directory.display().to_string(), "DIR")
}

#[test]
fn the_same_source_gives_the_same_bytes_in_every_directory() {
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = new(&here, "first-policy", Kind::Plain);
    let second = there.path().join("elsewhere");
    create(&second, &"first-policy".parse().unwrap(), Language::JavaScript, Kind::Plain).unwrap();
    let (built, again) =
        (build(&first, &mut |_| {}).unwrap().component, build(&second, &mut |_| {}).unwrap().component);
    assert!(built == again, "what lies around the source is in the component");
    fs::write(second.join("policy.js"), POLICY.replace("lib/helper.js", "helper.js")).unwrap();
    fs::write(second.join("helper.js"), HELPER).unwrap();
    assert!(built != build(&second, &mut |_| {}).unwrap().component, "the source is not in the component");
}

#[test]
fn what_is_not_stored_says_why() {
    let faults = "StateError bad-key: the key is empty or longer than 256 bytes; \
                  StateError too-long: the value is longer than 64 KiB";
    assert_eq!(fate("state-errors").0, faults);
}

#[test]
fn the_first_policies_of_all_kinds_allocate() {
    let parent = TempDir::new().unwrap();
    let plain = load(&new(&parent, "plain", Kind::Plain));
    let mut network = Network::of(&plain, json!({"subnet": "10.1.0.0/29"}));
    let granted = network.add("c1").pod("shop", "web-1").expect("10.1.0.2/29");
    assert_eq!(granted.reason(), Some("the lowest free address, for web-1"));
    network.add("c2").requested("10.1.0.5").expect("10.1.0.5/29");
    network.add("c3").requested("10.1.0.5").expect_refused("it is leased");
    network.reconfigure(json!({"subnet": "10.1.0.0"}));
    assert_eq!(network.problems(), ["subnet: found \"10.1.0.0\", expected a prefix such as \"10.1.0.0/24\""]);

    let release = load(&new(&parent, "release", Kind::Release));
    let mut network = Network::of(&release, json!({"subnet": "10.1.0.0/29", "keepSeconds": 600}));
    network.add("c1").pod("shop", "web-0").expect("10.1.0.2/29");
    network.del("c1");
    network.add("c2").pod("shop", "db-0").expect("10.1.0.3/29");
    network.add("c3").pod("shop", "web-0").expect("10.1.0.2/29");

    let cluster = load(&new(&parent, "cluster", Kind::Cluster));
    let mut network = Network::of(&cluster, json!({"range": "10.32.0.0/22"})).node("node-1", ["node-1", "node-2"]);
    network.claim("node-2", "10.32.0.0/24");
    assert_eq!(network.next_block().to_string(), "10.32.1.0/24");
    network.add("c1").expect("10.32.1.0/22");
    assert_eq!(network.share("node-2"), ["10.32.0.0-10.32.3.255".parse().unwrap()]);
}

#[test]
fn unit_tests_run_in_node() {
    if !skipped_tests::has("/usr/bin/node", "nodejs") {
        return;
    }
    let parent = TempDir::new().unwrap();
    for kind in Kind::ALL {
        let directory = new(&parent, kind.as_str(), kind);
        let output = Command::new("/usr/bin/node").arg("--test").current_dir(directory).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("pass 1"), "{text}");
    }
}

#[test]
fn what_is_thrown_has_its_text_and_line() {
    let (error, logged) = fate("throws");
    let text = "TypeError: cannot read property 'length' of undefined at lengthOf (lib/helper.js:2:10), allocate \
                (policy.js:20:23)";
    assert_eq!(logged, [text]);
    assert!(error.contains(text), "{error}");
    assert!(fate("throws-text").1[0].starts_with("\"a text\" was thrown"));
    assert!(fate("recursion").1[0].starts_with("RangeError: Maximum call stack size exceeded at deeper (policy.js:"));
}

#[test]
fn refusals_are_told_by_their_names() {
    assert!(fate("denied").0.ends_with("not this one"));
    assert!(fate("try-again").0.ends_with("later (try again in 1.5 s)"));
    let mut network = network();
    network.reconfigure(json!({"subnet": 7}));
    assert_eq!(network.problems(), ["subnet: found 7, expected a prefix such as \"10.1.0.0/24\""]);
}

#[test]
fn answers_that_are_none_are_told() {
    assert!(fate("nothing").1[0].starts_with("allocate returned null: expected an address, a list of addresses"));
    assert!(fate("outside").1[0].contains("192.0.2.1, which lies in no pool"));
    assert!(fate("misspelt").1[0].starts_with("allocate returned {\"adresses\":"));
    assert!(fate("never-settles").1[0].contains("a promise was returned that never settles"));
}

#[test]
fn the_console_writes_to_the_policys_log() {
    let mut network = network();
    network.add("c1").pod("shop", "prints").granted();
    let lines: Vec<_> = network.log().iter().map(|line| (line.level, line.message.as_str())).collect();
    assert!(lines.contains(&(LogLevel::Info, "a text 7 {\"a\":[1,2]} null undefined")), "{lines:?}");
    assert!(lines.contains(&(LogLevel::Warn, "careful")), "{lines:?}");
}

#[test]
fn randomness_and_time_are_the_requests() {
    let draw = |seed, now| {
        let mut network = network();
        network.set_now(now);
        network.add("c1").pod("shop", "draws").seed(seed).granted().reason().unwrap().to_owned()
    };
    let (first, same, other) = (draw(7, 1_000_000), draw(7, 1_000_000), draw(8, 1_000_000));
    assert_eq!(first, same);
    assert_ne!(first, other, "the seed is not in it");
    assert!(first.ends_with("1970-01-01T00:16:40.000Z 1000000 1000000"), "{first}");
    // SplitMix64 of the seed 7, its upper 53 bits.
    assert!(first.starts_with("0.38982974839127"), "{first}");
}

#[test]
fn where_there_is_no_request_randomness_and_time_are_errors() {
    for (mode, text) in [("random", "only allocate has a request"), ("time", "the policy reads the clock (Date)")] {
        let mut network = network();
        network.reconfigure(json!({"subnet": "10.1.0.0/24", "mode": mode}));
        let error = network.add("c1").outcome().unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn the_host_answers_in_plain_values() {
    let mut network = network();
    network.add("before").pod("shop", "web-0").expect("10.1.0.2/24");
    let answer = network.add("c1").pod("shop", "asks").pod_label("app", "web").without_owner().granted();
    insta::assert_snapshot!(answer.reason().unwrap().replace("; ", "\n"));
    assert_eq!(network.state("asked").as_deref(), Some("{\"times\":[1]}"));
}

#[test]
fn a_policy_that_does_not_load_says_where() {
    let load = "export function checkConfig() {}\nexport function allocate() {}\n";
    let faults: Vec<String> = [
        "export function checkConfig( {",
        "export const allocate = 1;",
        &format!("{load}export function blocks() {{}}"),
        &format!("import \"./missing.js\";\n{load}"),
        &format!("import \"lodash\";\n{load}"),
        &format!("import \"../outside.js\";\n{load}"),
        &format!("import {{ leases }} from \"./gingham.js\";\n{load}leases.nextFree(\"10.1.0.0/24\");"),
        &format!("{load}console.log(\"here\");"),
        &format!("{load}Math.random();"),
        &format!("{load}const loaded = Date.now();"),
        &format!("{load}for (;;) {{}}"),
    ]
    .iter()
    .map(|policy| fault_of(policy))
    .collect();
    insta::assert_snapshot!(faults.join("\n"));
}
