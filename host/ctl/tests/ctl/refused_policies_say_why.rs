//! Whatever an author hands over: a refusal in words, before anything is compiled, and never a panic.

use std::fs;
use std::time::{Duration, Instant};

use gingham_builtin::BUILT_IN;
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Said, ctl, scrubbed};

fn policy(dir: &TempDir, arguments: &[&str]) -> Said {
    let library = dir.path().join("library");
    fs::create_dir_all(&library).unwrap();
    ctl(["--library", library.to_str().unwrap(), "policy"].iter().chain(arguments))
}

/// What `add` says of a component.
fn refusal(component: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.wasm");
    fs::write(&file, component).unwrap();
    let said = policy(&dir, &["add", file.to_str().unwrap()]).failed();
    said.replace(dir.path().to_str().unwrap(), "DIR")
}

/// Two components that pass strings to each other, as `wac plug` composes them: wasmtime makes adapters of several
/// memories for them, which are switched off here, and panics.
const COMPOSED: &str = include_str!("../../../engine/src/compile/composed.wat");

#[test]
fn a_composed_component_is_refused_in_words() {
    insta::assert_snapshot!("composed", refusal(&wat::parse_str(COMPOSED).unwrap()));
}

/// A component with imports of WASI, made by tools that say who they are.
fn of_language(language: &str, tool: &str) -> Vec<u8> {
    let mut bytes = wat::parse_str(
        r#"(component
            (import "wasi:cli/stdout@0.2.3" (instance))
            (import "wasi:random/random@0.2.3" (instance))
            (import "gingham:ipam/disk@0.2.0" (instance)))"#,
    )
    .unwrap();
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let field = |name: &str, value: &str| [text(name), vec![1], text(value), text("1.0")].concat();
    let producers = [text("producers"), vec![2], field("language", language), field("processed-by", tool)].concat();
    bytes.extend([&[0, u8::try_from(producers.len()).unwrap()], &producers[..]].concat());
    bytes
}

#[test]
fn foreign_imports_are_refused_with_the_option_of_the_language() {
    let started = Instant::now();
    for (name, language, tool) in [
        ("javascript", "JavaScript", "ComponentizeJS"),
        ("python", "Python", "componentize-py"),
        ("c", "C11", "clang"),
        ("go", "Go", "TinyGo"),
        ("rust", "Rust", "rustc"),
        ("unknown", "Zig", "zig"),
    ] {
        insta::assert_snapshot!(format!("imports_of_{name}"), refusal(&of_language(language, tool)));
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn functions_of_other_types_are_refused_before_compiling() {
    let of = |function: &str| {
        let text = format!(
            r#"(component
                (import "gingham:ipam/log@0.2.0" (instance $log
                    (type $level (enum "debug" "info" "warn" "error"))
                    (export "level" (type $l (eq $level)))
                    {function}))
                (core module $m (func (export "f")))
                (core instance $i (instantiate $m))
                (func $f (canon lift (core func $i "f")))
                (instance $allocator (export "check-config" (func $f)) (export "allocate" (func $f)))
                (export "gingham:ipam/allocator@0.2.0" (instance $allocator)))"#
        );
        refusal(&wat::parse_str(text).unwrap())
    };
    insta::assert_snapshot!("a_function_of_another_type", of(r#"(export "log" (func (param "level" $l)))"#));
    insta::assert_snapshot!("a_function_that_is_not_there", of(r#"(export "shout" (func))"#));
}

#[test]
fn a_refused_file_can_be_inspected() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("greedy.wasm");
    fs::write(&file, of_language("JavaScript", "ComponentizeJS")).unwrap();
    let said = policy(&dir, &["inspect", file.to_str().unwrap()]);
    assert_eq!(said.code, Some(1));
    insta::assert_snapshot!("a_refused_file", scrubbed(&said.out));
    let json: Value = serde_json::from_str(&policy(&dir, &["inspect", "--json", file.to_str().unwrap()]).out).unwrap();
    assert_eq!(json["refused"].as_array().unwrap().len(), 1, "{json}");
    assert_eq!(json["metadata"]["producers"][0]["name"], "JavaScript");
    let usable = policy(&dir, &["inspect", "host-local", "--json"]).done();
    assert_eq!(serde_json::from_str::<Value>(&usable).unwrap()["refused"], Value::Array(Vec::new()));
}

#[test]
fn a_torn_file_is_refused_at_once() {
    let component = BUILT_IN[0].component();
    for length in [9, 100, component.len() / 2, component.len() - 1] {
        let said = refusal(&component[..length]);
        assert!(said.contains("damaged"), "{length}: {said}");
    }
}

#[test]
fn a_policy_is_shown_with_the_pools_of_a_configuration_and_its_cost() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("net.conf");
    fs::write(&config, r#"{"type": "gingham", "subnet": "10.1.0.0/24"}"#).unwrap();
    let arguments = ["inspect", "host-local", "--config", config.to_str().unwrap()];
    let said = policy(&dir, &arguments).done();
    let of_config = said.lines().skip_while(|line| !line.trim_start().starts_with("pools"));
    insta::assert_snapshot!("a_configuration_tried", scrubbed(&of_config.collect::<Vec<_>>().join("\n")));
    let json: Value = serde_json::from_str(&policy(&dir, &[&arguments[..], &["--json"]].concat()).done()).unwrap();
    assert_eq!(json["trial"]["answer"][0], "10.1.0.2/24");
    assert!(json["trial"]["calls"][1]["fuel"].as_u64().unwrap() > 1_000, "{json}");
    fs::write(&config, r#"{"type": "gingham", "subnet": "10.1.0.0"}"#).unwrap();
    let said = policy(&dir, &arguments).done();
    assert!(said.contains("none: policy host-local: ipam.subnet: "), "{said}");
}
