//! New policies in Rust, in directories of their own outside of the workspace.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gingham_languages::{Kind, Language, NewError, build, create};
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
    let copied = Command::new("cp").arg("-r").arg(built).arg(directory.join("target/policies")).status().unwrap();
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
    let built = build(&first).unwrap();
    assert_eq!(built.name, "first-policy");
    assert_eq!(
        fs::read_to_string(first.join("Cargo.lock")).unwrap(),
        fs::read_to_string(second.join("Cargo.lock")).unwrap().replace("to-it", "first-policy"),
        "cargo wrote the lock file again"
    );
    assert!(built.component == build(&second).unwrap().component, "the directory's path is in the component");
}

#[test]
fn a_directory_that_is_not_empty_stays_as_it_is() {
    let parent = TempDir::new().unwrap();
    fs::write(parent.path().join("notes"), "mine").unwrap();
    let error = create(parent.path(), &"first".parse().unwrap(), Language::Rust, Kind::Plain).unwrap_err();
    assert!(matches!(error, NewError::NotEmpty { .. }), "{error:?}");
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
}
