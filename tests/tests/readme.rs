//! The README's "Your own policy", command by command, in a copy of the workspace; and that the documents name only
//! what is there.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
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

/// The workspace with what was built of other people's crates, so that only ours are built again. It lies within the
/// target directory, because only there are links possible for sure; the settings of `.cargo` reach it from above.
fn copy_of_the_workspace() -> tempfile::TempDir {
    let own = std::env::current_exe().unwrap();
    let profile = own.ancestors().nth(2).expect("cargo puts tests into target/PROFILE/deps");
    let copy = tempfile::tempdir_in(profile.parent().unwrap()).unwrap();
    for entry in fs::read_dir(workspace()).unwrap() {
        let name = entry.unwrap().file_name();
        if ![".git", ".cargo", "target"].iter().any(|left| name == *left) {
            shell(&format!("cp -r {} {}", workspace().join(&name).display(), copy.path().display()), copy.path());
        }
    }
    let to = copy.path().join("target").join(profile.file_name().unwrap());
    fs::create_dir_all(&to).unwrap();
    shell(&format!("cd {} && cp -al deps build .fingerprint ginghamctl {}", profile.display(), to.display()), &to);
    // Cargo gives a crate of ours the same file names in every copy of the workspace: what is linked must not be written.
    let ours = "gingham* libgingham* by[-_]namespace* libby_namespace* host[-_]local* libhost_local* weave[-_]split* \
                libweave_split* hostile* libhostile* skipped* libskipped* \
                sticky* libsticky* quota* libquota* by[-_]zone* libby_zone* random-* librandom-* hashed* libhashed*";
    for directory in ["deps", "build", ".fingerprint"] {
        shell(&format!("cd {directory} && rm -rf {ours}"), &to);
    }
    copy
}

fn shell(command: &str, directory: &Path) {
    let output = Command::new("sh").args(["-c", command]).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
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
    let copy = copy_of_the_workspace();
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
    let documents: Vec<_> = [".", "docs", "docs/decisions"].into_iter().flat_map(documents).collect();
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
