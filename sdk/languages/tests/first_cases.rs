//! What `ginghamctl policy new` writes passes the cases that it writes beside it, in every language and of every kind.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::{env, fs};

use gingham_engine::compile::Compiler;
use gingham_languages::{Kind, Language, build, create};
use gingham_workbench::cases;
use tempfile::TempDir;

/// With a directory that a build may use.
fn pass(language: Language, prepare: impl Fn(&Path)) {
    for kind in Kind::ALL {
        let parent = TempDir::new().unwrap();
        let directory = parent.path().join("first");
        create(&directory, &"first".parse().unwrap(), language, kind).unwrap();
        prepare(&directory);
        let component = build(&directory, &mut |_| {}).unwrap().component;
        let policy = Compiler::new().unwrap().load("first", &component).unwrap();
        let text = fs::read_to_string(directory.join("cases/first.toml")).unwrap();
        let file = cases::read(&text).unwrap();
        for index in 0..file.cases.len() {
            let outcome = cases::run(&policy, &file, &text, index);
            assert!(outcome.failure.is_none(), "{language}, {kind:?}: {outcome:#?}");
        }
    }
}

#[test]
fn rust() {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("target/policies");
    gingham_build::build_policy(&built.ancestors().nth(2).unwrap().join("policies/host-local")).unwrap();
    // Other people's crates are built once, for the workspace's policies.
    pass(Language::Rust, |directory| {
        let to = directory.join("target/policies");
        fs::create_dir(directory.join("target")).unwrap();
        assert!(std::process::Command::new("cp").arg("-a").arg(&built).arg(to).status().unwrap().success());
    });
}

#[test]
fn c() {
    let libc = Path::new("/usr/lib/wasm32-wasi/libc.a");
    if skipped_tests::has("/usr/bin/clang", "clang")
        && skipped_tests::has("/usr/bin/wasm-ld", "lld")
        && skipped_tests::holds(libc.exists(), "wasi-libc")
    {
        pass(Language::C, |_| {});
    }
}

#[test]
fn javascript() {
    pass(Language::JavaScript, |_| {});
}

#[test]
fn python() {
    let directories = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&directories).any(|directory| directory.join("componentize-py").is_file());
    if skipped_tests::holds(found, "componentize-py on PATH: python3 -m venv, pip install componentize-py==0.25.1") {
        pass(Language::Python, |_| {});
    }
}
