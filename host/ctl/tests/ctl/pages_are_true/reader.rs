//! Somebody who follows a page from the top to the end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::blocks::{Block, Mark};
use super::{output, workspace};
use crate::program::{CTL, plugin};

/// Longer than any command of a page takes on a busy machine.
const TIMEOUT: &str = "900";

/// One directory for all blocks of a page.
pub(super) struct Reader<'a> {
    page: &'a str,
    root: TempDir,
    /// Where the next command runs.
    here: PathBuf,
    pub(super) commands: usize,
}

impl<'a> Reader<'a> {
    /// `tries` if the page's commands call the plugin.
    pub(super) fn new(page: &'a str, tries: bool) -> Self {
        let root = tempfile::tempdir().unwrap();
        let here = root.path().join("work");
        for directory in ["work", "bin", "library", "net.d", "home"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        let reader = Self { page, root, here, commands: 0 };
        let library = reader.root.path().join("library");
        let library = library.display();
        reader.program("sudo", "exec \"$@\"");
        // A try needs a plugin beside `ginghamctl`, and other commands have no such option.
        let plugin = if tries { plugin().display().to_string() } else { "none".to_owned() };
        reader.program(
            "ginghamctl",
            &format!(
                "case $1 in\n\
                 try) shift; exec {CTL} --library {library} try --plugin {plugin} \"$@\" ;;\n\
                 *) exec {CTL} --library {library} \"$@\" ;;\n\
                 esac"
            ),
        );
        reader
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.root.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(super) fn follow(&mut self, block: &Block) {
        let place = format!("{}:{}", self.page, block.line);
        match &block.mark {
            Mark::NotRun => {}
            Mark::File(path) => {
                let path = self.path(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, &block.text).unwrap();
            }
            Mark::In(path) => {
                let text =
                    fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{place}: {path}: {error}"));
                assert!(text.contains(block.text.trim_end()), "{place}: {path} does not hold these lines:\n{text}");
            }
            Mark::Run { needs: Some((program, package)), .. } if !skipped_tests::has(program, package) => {}
            Mark::Run { exit, .. } => {
                let steps = block.steps();
                for (index, step) in steps.iter().enumerate() {
                    let exit = if index + 1 == steps.len() { *exit } else { 0 };
                    self.run(&place, &step.command, &step.output, exit);
                }
            }
        }
    }

    /// The place of a file that a page names.
    fn path(&self, name: &str) -> PathBuf {
        if name.starts_with("policies/") { workspace().join(name) } else { self.here.join(self.there(name)) }
    }

    /// A page's text, with this reader's directories for those of a node and of the checkout.
    fn there(&self, text: &str) -> String {
        let policies = format!(" {}/policies/", workspace().display());
        text.replace("/etc/cni/net.d", &self.directory("net.d")).replace(" policies/", &policies)
    }

    /// The reverse, for what a command printed.
    fn back(&self, text: &str) -> String {
        let checkout = format!("{}/", workspace().display());
        text.replace(&self.directory("net.d"), "/etc/cni/net.d")
            .replace(&self.directory("work"), "/home/me")
            .replace(&checkout, "")
    }

    fn directory(&self, name: &str) -> String {
        self.root.path().join(name).display().to_string()
    }

    fn run(&mut self, place: &str, command: &str, shown: &str, exit: i32) {
        if ["cargo", "policy build", "policy test"].iter().any(|builds| command.contains(builds)) {
            seed(&self.here);
        }
        let left = self.root.path().join("left");
        let script = format!("exec 2>&1\ntrap 'pwd > {}' EXIT\n{}", left.display(), self.there(command));
        let mut shell = Command::new("timeout");
        shell.args([TIMEOUT, "bash", "-euo", "pipefail", "-c", &script]).current_dir(&self.here).stdin(Stdio::null());
        // The commands are a reader's: nothing of the cargo that runs this test may reach them.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO") && name != "CARGO_HOME" || name.starts_with("RUST") && name != "RUSTUP_HOME" {
                shell.env_remove(&*name);
            }
        }
        let path = format!("{}:{}", self.root.path().join("bin").display(), std::env::var("PATH").unwrap());
        let output = shell.env("PATH", path).env("CARGO_NET_OFFLINE", "true").output().unwrap();
        let printed = self.back(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(output.status.code(), Some(exit), "{place}: $ {command}{printed}");
        assert!(shown.is_empty() || output::fits(shown, &printed), "{place}: $ {command}prints\n{printed}");
        self.here = fs::read_to_string(left).unwrap().trim_end().into();
        self.commands += 1;
    }
}

/// What the workspace built of other people's crates serves new policies in Rust, too, so that a page takes seconds.
fn seed(directory: &Path) {
    let (built, target) = (workspace().join("target/policies"), directory.join("target/policies"));
    let is_new = directory.join("gingham/sdk").is_dir() && directory.join("Cargo.toml").is_file();
    if is_new && built.is_dir() && !target.exists() {
        fs::create_dir_all(directory.join("target")).unwrap();
        let copied = Command::new("cp").arg("-r").arg(built).arg(&target).status().unwrap();
        assert!(copied.success());
    }
}
