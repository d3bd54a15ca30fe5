//! New policies in Rust, in directories of their own outside of the workspace.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gingham_engine::compile::Compiler;
use gingham_languages::{DebugInformation, Kind, Language, NewError, build, build_with, create};
use gingham_testing::Network;
use serde_json::json;
use tempfile::TempDir;

fn new(parent: &TempDir, name: &str, kind: Kind) -> PathBuf {
    let directory = parent.path().join(name);
    create(&directory, &name.parse().unwrap(), Language::Rust, kind).unwrap();
    directory
}

/// What a build of the workspace's policies left of other people's crates serves here, too.
fn seed(directory: &Path) {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("target/policies");
    gingham_build::build_policy(&built.ancestors().nth(2).unwrap().join("policies/host-local")).unwrap();
    fs::create_dir(directory.join("target")).unwrap();
    // With its times, by which cargo knows what is new.
    let copied = Command::new("cp").arg("-a").arg(built).arg(directory.join("target/policies")).status().unwrap();
    assert!(copied.success());
}

#[test]
fn the_same_source_gives_the_same_bytes_in_every_directory() {
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = new(&here, "first-policy", Kind::Plain);
    fs::create_dir_all(there.path().join("a/longer/path")).unwrap();
    let second = there.path().join("a/longer/path/to-it");
    create(&second, &"first-policy".parse().unwrap(), Language::Rust, Kind::Plain).unwrap();
    seed(&first);
    seed(&second);
    let built = build(&first, &mut |_| {}).unwrap();
    assert_eq!(built.name, "first-policy");
    assert_eq!(
        fs::read_to_string(first.join("Cargo.lock")).unwrap(),
        fs::read_to_string(second.join("Cargo.lock")).unwrap().replace("to-it", "first-policy"),
        "cargo wrote the lock file again"
    );
    assert!(built.component.len() < 200_000, "{} bytes", built.component.len());
    assert!(
        built.component == build(&second, &mut |_| {}).unwrap().component,
        "the directory's path is in the component"
    );
}

#[test]
fn a_panic_shows_its_line_in_a_component_with_lines() {
    let place = TempDir::new().unwrap();
    let directory = new(&place, "first-policy", Kind::Plain);
    seed(&directory);
    let path = directory.join("src/lib.rs");
    let source = fs::read_to_string(&path).unwrap();
    let begin = source.find("fn allocate").unwrap();
    let at = begin + source[begin..].find('{').unwrap() + 1;
    let line = source[..at].lines().count() + 1;
    let call = "\n        pick_from_table(&request.container_id());";
    let function =
        "\n\n#[inline(never)]\nfn pick_from_table(name: &str) {\n    assert!(name.is_empty(), \"no table\");\n}\n";
    fs::write(&path, format!("{}{call}{}{function}", &source[..at], &source[at..])).unwrap();
    let built = build_with(&directory, DebugInformation::Lines, &mut |_| {}).unwrap();
    let policy = Compiler::with_lines().unwrap().load("first-policy", &built.component).unwrap();
    let fault = Network::of(&policy, json!({"subnet": "10.1.0.0/24"})).add("c1").outcome().unwrap_err().to_string();
    let places = [format!("src/lib.rs:{line})"), "pick_from_table".to_owned()];
    assert!(places.iter().all(|place| fault.contains(place)), "{places:?}: {fault}");
}

#[test]
fn every_kind_builds() {
    let place = TempDir::new().unwrap();
    for (name, kind) in [("with-release", Kind::Release), ("in-cluster", Kind::Cluster)] {
        let directory = new(&place, name, kind);
        seed(&directory);
        let built = build(&directory, &mut |_| {}).unwrap();
        let text = String::from_utf8_lossy(&built.component).into_owned();
        for export in kind.exports() {
            assert!(
                text.contains(&format!("gingham:ipam/{}@0.2", export.as_str())),
                "{name} does not export {export:?}"
            );
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}

#[test]
fn a_directory_below_one_that_is_missing_is_not_made() {
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("missing/first");
    let error = create(&directory, &"first".parse().unwrap(), Language::Rust, Kind::Plain).unwrap_err().to_string();
    assert!(error.ends_with("/missing does not exist; make it first") && !error.contains(".new-policy"), "{error}");
}

#[test]
fn a_directory_that_is_not_empty_stays_as_it_is() {
    let parent = TempDir::new().unwrap();
    fs::write(parent.path().join("notes"), "mine").unwrap();
    let error = create(parent.path(), &"first".parse().unwrap(), Language::Rust, Kind::Plain).unwrap_err();
    assert!(matches!(error, NewError::NotEmpty { .. }), "{error:?}");
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
}

/// What the workspace is tested with is what a new policy is built with; so the same downloads serve both.
#[test]
fn a_new_policys_crates_are_the_workspaces() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let packages = |path: PathBuf| -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        text.split("[[package]]\n").skip(1).map(|package| package.lines().take(2).collect()).collect()
    };
    let workspace = packages(root.join("Cargo.lock"));
    let template = packages(root.join("sdk/languages/templates/rust/Cargo.lock"));
    let missing: Vec<&String> = template.iter().filter(|package| !workspace.contains(package)).collect();
    assert!(
        template.len() > 10 && missing.is_empty(),
        "{missing:?} are not in Cargo.lock: write a new policy, run `cargo update` in it with these versions, and copy its \
         Cargo.lock, without the policy itself, to sdk/languages/templates/rust"
    );
}

/// The SDK in a new policy names the versions that it names here.
#[test]
fn the_sdks_dependencies_are_the_workspaces() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let manifest = |path: &str| fs::read_to_string(root.join(path)).unwrap().parse::<toml::Table>().unwrap();
    let (workspace, template) =
        (manifest("Cargo.toml"), manifest("sdk/languages/templates/rust/common/gingham/Cargo.toml"));
    let dependencies = template["workspace"]["dependencies"].as_table().unwrap();
    for (name, dependency) in dependencies {
        let there = &workspace["workspace"]["dependencies"][name];
        let version = |value: &toml::Value| value.get("version").unwrap_or(value).clone();
        assert_eq!(version(dependency), version(there), "{name}");
    }
    assert_eq!(template["workspace"]["package"], workspace["workspace"]["package"]);
}
