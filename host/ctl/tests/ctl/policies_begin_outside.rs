//! From `policy new` to an installed policy, in a directory that knows nothing of this repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{CTL, Said};

struct Author {
    home: TempDir,
}

impl Author {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(CTL);
        command.current_dir(self.home.path()).args(["--library", "library", "policy"]).args(arguments);
        command
    }

    /// The command, with what cargo set for this test taken out: an author has a shell.
    fn run(&self, arguments: &[&str]) -> Said {
        Said::by(self.command(arguments).env_remove("CARGO").env("CARGO_NET_OFFLINE", "true"))
    }

    /// Other people's crates that the workspace's policies were built with serve here, too.
    fn seed(&self, name: &str) {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        fs::create_dir(self.path(name).join("target")).unwrap();
        let to = self.path(name).join("target/policies");
        let copied = Command::new("cp").arg("-a").arg(workspace.join("target/policies")).arg(to).status().unwrap();
        assert!(copied.success());
    }

    fn build(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["build", "--json"], arguments].concat());
        assert_eq!(output.code, Some(0), "{}", output.err);
        serde_json::from_str(&output.out).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.home.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }
}

fn has_c() -> bool {
    skipped_tests::has("/usr/bin/clang", "clang")
        && skipped_tests::has("/usr/bin/wasm-ld", "lld")
        && skipped_tests::has("/usr/lib/wasm32-wasi/libc.a", "wasi-libc")
}

#[test]
fn what_is_built_is_what_is_installed() {
    if !has_c() {
        return;
    }
    let author = Author::new();
    let written = author.run(&["new", "by-team", "--lang", "c"]).done();
    assert!(written.contains("ginghamctl policy build") && !written.contains("missing"), "{written}");
    let built = author.build(&["by-team"]);
    assert_eq!((&built["name"], &built["path"]), (&"by-team".into(), &"by-team/by-team.wasm".into()));
    let digest = built["digest"].as_str().unwrap();
    let elsewhere = author.build(&["by-team", "-o", "copy.wasm"]);
    assert_eq!(elsewhere["digest"], digest);
    assert_eq!(fs::read(author.path("copy.wasm")).unwrap().len() as u64, built["size"].as_u64().unwrap());
    assert!(author.run(&["add", "by-team"]).done().contains(digest));
    assert!(author.run(&["add", "by-team/by-team.wasm"]).done().contains("already installed"));
    let inspected: Value = serde_json::from_str(&author.run(&["inspect", "by-team", "--json"]).done()).unwrap();
    assert_eq!(inspected["digest"], digest);
}

#[test]
fn a_policy_in_rust_has_the_same_digest_wherever_cargo_keeps_its_downloads() {
    let author = Author::new();
    author.run(&["new", "by-team", "--kind", "release"]).done();
    author.seed("by-team");
    let built = author.build(&["by-team"]);
    // Another home of cargo, with the same downloads.
    let home =
        std::env::var_os("CARGO_HOME").map_or_else(|| std::env::home_dir().unwrap().join(".cargo"), PathBuf::from);
    let other = author.path("another-home");
    fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink(home.join("registry"), other.join("registry")).unwrap();
    let mut again = author.command(&["build", "--json", "by-team"]);
    again.env_remove("CARGO").env("CARGO_NET_OFFLINE", "true").env("CARGO_HOME", &other);
    let again: Value = serde_json::from_str(&Said::by(&mut again).out).unwrap();
    assert_eq!(again["digest"], built["digest"]);
    let component = fs::read(author.path("by-team/by-team.wasm")).unwrap();
    let text = String::from_utf8_lossy(&component);
    assert!(text.contains("/cargo/registry/src/"), "no panic names a crate: the test compares nothing");
    assert!(text.contains("allocate") && !text.contains(home.to_str().unwrap()), "it has a path of this machine");
}

#[test]
fn the_component_in_the_directory_is_what_was_built_last() {
    if !has_c() {
        return;
    }
    let author = Author::new();
    fs::create_dir(author.path("library")).unwrap();
    author.run(&["new", "by-team", "--lang", "c"]).done();
    fs::write(author.path("ipam.json"), "{\"subnet\": \"10.1.0.0/24\"}").unwrap();
    let call = |component: &str| author.run(&["call", component, "--config", "ipam.json"]).done();
    call("./by-team");
    assert!(!author.path("by-team/by-team.wasm").exists(), "it is written by `policy build`");
    author.build(&["by-team"]);
    let source = author.path("by-team/src/policy.c");
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, text.replace("the lowest free address", "another reason")).unwrap();
    assert!(call("./by-team").contains("another reason"));
    let shown = call("by-team/by-team.wasm");
    assert!(shown.contains("another reason"), "an earlier build was left: {shown}");
    let left: Vec<_> =
        fs::read_dir(author.path("by-team/target")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["build.lock"]);
}

#[test]
fn the_programs_that_are_missing_are_named_with_what_installs_them() {
    let author = Author::new();
    fs::create_dir(author.path("nothing")).unwrap();
    let without_programs = |arguments: &[&str]| {
        let mut command = author.command(arguments);
        Said::by(command.env("PATH", author.path("nothing")).env_remove("CARGO"))
    };
    for (language, program, install) in
        [("rust", "cargo", "https://rustup.rs"), ("c", "clang", "apt-get install clang")]
    {
        let name = format!("in-{language}");
        let written = without_programs(&["new", &name, "--lang", language]).done();
        assert!(written.contains(&format!("{program} is missing")) && written.contains(install), "{written}");
        let refused = without_programs(&["build", &name]).failed();
        assert!(refused.contains(&format!("{program} is missing")) && refused.contains(install), "{refused}");
    }
}

#[test]
fn nothing_is_written_over_and_nothing_is_left() {
    let author = Author::new();
    fs::create_dir(author.path("full")).unwrap();
    fs::write(author.path("full/notes"), "mine").unwrap();
    let refused = author.run(&["new", "full"]).failed();
    assert!(refused.contains("not empty") && refused.contains("--dir"), "{refused}");
    assert!(author.run(&["new", "first", "--dir", "no/such/place"]).failed().contains("no/such/place"));
    for name in ["First", "1st", "a/b", "..", "", "host-local", "weave-split", "gingham", "serde"] {
        assert!(author.run(&["new", name, "--dir", "first"]).failed().contains("name"), "{name}");
    }
    assert_eq!(author.files(), ["full"]);
    fs::create_dir(author.path("empty")).unwrap();
    author.run(&["new", "first", "--dir", "empty"]).done();
    assert!(author.path("empty/Cargo.toml").exists() && author.path("empty/src/lib.rs").exists());
    fs::create_dir(author.path("here")).unwrap();
    let mut here = Command::new(CTL);
    here.current_dir(author.path("here")).args(["policy", "new", "second", "--dir", "."]);
    Said::by(&mut here).done();
    let files = fs::read_dir(author.path("here")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(files.map(|name| name.into_string().unwrap()).all(|name| !name.starts_with(".new-policy")));
    assert!(author.path("here/gingham/sdk/src/lib.rs").exists());
}

#[test]
fn a_directory_that_is_no_policy_is_refused() {
    let author = Author::new();
    for arguments in [["build", "."], ["add", "."]] {
        let refused = author.run(&arguments).failed();
        assert!(refused.contains("gingham-policy.toml") && refused.contains("ginghamctl policy new"), "{refused}");
    }
    fs::write(author.path("gingham-policy.toml"), "name = \"x\"\nlanguage = \"cobol\"\n").unwrap();
    let refused = author.run(&["build"]).failed();
    assert!(
        refused.contains("gingham-policy.toml") && refused.contains("cobol") && refused.contains("rust"),
        "{refused}"
    );
}

#[test]
fn the_contract_is_printed_and_written() {
    let author = Author::new();
    let printed = author.run(&["wit"]).done();
    assert!(printed.contains("package gingham:ipam@0.2.0;") && printed.contains("world policy-with-cluster {"));
    author.run(&["wit", "--out", "a/b"]).done();
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/wit");
    for entry in fs::read_dir(contract).unwrap() {
        let path = entry.unwrap().path();
        let written = author.path("a/b").join(path.file_name().unwrap());
        assert_eq!(fs::read_to_string(written).unwrap(), fs::read_to_string(path).unwrap());
    }
}
