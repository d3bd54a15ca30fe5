//! The README's "Your own policy", command by command, beside a checkout; and that the documents name only what is there.
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

/// A checkout as a reader has it, in which everything is built, and room beside it.
fn checkout() -> (tempfile::TempDir, PathBuf) {
    let own = std::env::current_exe().unwrap();
    let profile = own.ancestors().nth(2).expect("cargo puts tests into target/PROFILE/deps");
    let parent = tempfile::tempdir().unwrap();
    let checkout = parent.path().join("gingham");
    fs::create_dir_all(checkout.join("target")).unwrap();
    symlink(profile, checkout.join("target/debug")).unwrap();
    (parent, checkout)
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
    let (_parent, checkout) = checkout();
    let text = chapter("Your own policy");
    for command in blocks(&text, "sh") {
        run(&command, &checkout);
    }
    let config: Value = serde_json::from_str(&blocks(&text, "json")[0]).unwrap();
    let pod = "IgnoreUnknown=1;K8S_POD_NAMESPACE=team-b;K8S_POD_NAME=web-1";
    let granted = Cni::add(&config, &node.container("c1")).args(pod).run().result();
    assert_eq!(address(&granted), "10.10.0.2");
    // The line that the README changes.
    let leases = checkout.join("leases.json");
    run("target/debug/ginghamctl leases --json > leases.json", &checkout);
    let leases = fs::read_to_string(leases).unwrap();
    assert!(leases.contains("first come, first served: web-1"), "{leases}");
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
fn the_documents_name_only_files_that_exist() {
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(workspace().join(document)).unwrap();
        let named = text.split('`').skip(1).step_by(2);
        // Words in capitals stand for something, like `policies/NAME`.
        let is_pattern = |word: &str| {
            word.contains([' ', ':', '<', '*']) || ["NAME", "INTERFACE"].iter().any(|capitals| word.contains(capitals))
        };
        let paths: Vec<&str> = named.filter(|word| word.contains('/') && !is_pattern(word)).collect();
        assert!(paths.len() > 10, "{document} names the crates: {paths:?}");
        for path in paths {
            assert!(workspace().join(path).exists(), "{document} names {path}, which does not exist");
        }
    }
}

/// The documents of a directory.
fn documents(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(workspace().join(directory)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

#[test]
fn every_link_leads_to_a_file() {
    let documents: Vec<_> = [".", "docs", "docs/decisions", "docs/policies"].into_iter().flat_map(documents).collect();
    let mut count = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let path = document.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(path.exists(), "{} links to {link}, which does not exist", document.display());
            count += 1;
        }
    }
    assert!(count > 100, "the documents link to each other: {count}");
}
