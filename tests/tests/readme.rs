//! The README's "Your own policy", command by command, in a copy of the workspace; and that the documents name only
//! what is there.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use gingham_tests::cni::{Cni, address};
use gingham_tests::node::Node;
use serde_json::Value;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A chapter of the README.
fn chapter(title: &str) -> String {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let from = readme.split(&format!("\n## {title}\n")).nth(1).unwrap_or_else(|| panic!("README has no {title}"));
    from.split("\n## ").next().unwrap().to_owned()
}

/// The blocks of a language, in order.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|block| block.split("\n```").next().unwrap().to_owned()).collect()
}

/// The workspace without what was built, but with its target directory, so that only what is new is built.
fn copy_of_the_workspace(to: &Path) {
    let from = workspace();
    for entry in fs::read_dir(&from).unwrap() {
        let name = entry.unwrap().file_name();
        if name == ".git" || name == "target" {
            continue;
        }
        let status = Command::new("cp").arg("-r").arg(from.join(&name)).arg(to).status().unwrap();
        assert!(status.success(), "cp -r {}", name.display());
    }
    let own = std::env::current_exe().unwrap();
    let target = own.ancestors().nth(3).expect("cargo puts tests into target/PROFILE/deps");
    symlink(target, to.join("target")).unwrap();
}

fn run(command: &str, directory: &Path) {
    let script = format!("sudo() {{ \"$@\"; }}\nset -euo pipefail\n{command}");
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(script).current_dir(directory);
    // The commands are a reader's: nothing of the cargo that runs this test may reach them.
    for (name, _) in std::env::vars_os() {
        let kept = ["CARGO_HOME"].iter().any(|kept| name == *kept);
        if name.to_string_lossy().starts_with("CARGO") && !kept {
            shell.env_remove(name);
        }
    }
    let output = shell.output().unwrap();
    let [said, complained] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{command}\n{said}\n{complained}");
}

#[test]
fn a_policy_of_ones_own_hands_out_an_address() {
    let node = Node::new();
    let copy = tempfile::tempdir().unwrap();
    copy_of_the_workspace(copy.path());
    let text = chapter("Your own policy");
    for command in blocks(&text, "sh") {
        run(&command, copy.path());
    }
    let config: Value = serde_json::from_str(&blocks(&text, "json")[0]).unwrap();
    let pod = |namespace: &str| format!("IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME=web-1");
    let granted = Cni::add(&config, &node.container("c1")).args(&pod("team-b")).run().result();
    assert_eq!(address(&granted), "10.20.0.2");
    let refused = Cni::add(&config, &node.container("c2")).args(&pod("team-c")).run().fault();
    // The line that the README changes.
    assert!(refused.msg.contains("namespace team-c has no pool in this cluster"), "{refused:?}");
    assert!(refused.msg.contains("my-policy"), "{refused:?}");
}

#[test]
fn the_seeds_config_is_the_readmes_default() {
    let text = chapter("Installing on a node");
    let config: Value = serde_json::from_str(&blocks(&text, "json")[0]).unwrap();
    let node = Node::new();
    let granted = Cni::add(&config, &node.container("c1")).run().result();
    assert_eq!(address(&granted), "10.244.0.2");
}

#[test]
fn architecture_names_only_what_is_there() {
    let text = fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let named = text.split('`').skip(1).step_by(2);
    let paths: Vec<&str> = named.filter(|word| word.contains('/') && !word.contains([' ', ':', '<'])).collect();
    assert!(paths.len() > 10, "the picture names rooms: {paths:?}");
    for path in paths {
        assert!(workspace().join(path).exists(), "ARCHITECTURE.md names {path}, which is not there");
    }
}
