//! Compiling is slow, so that nothing is compiled twice, and an upgrade finds its policies compiled.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gingham_builtin::BUILT_IN;
use gingham_engine::file_lock::{self, Kind};
use gingham_engine::library::artefact_key;
use gingham_engine::runtime::config::ARTEFACT_KEY;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{CTL, Said, plugin};

struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("mine.wasm"), BUILT_IN[0].component()).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.arg("--library").arg(self.path("data/policies")).arg("policy").args(arguments);
        command
    }

    fn policy(&self, arguments: &[&str]) -> Said {
        Said::by(&mut self.command(Path::new(CTL), arguments))
    }

    fn add(&self, name: &str) -> Said {
        self.policy(&["add", self.path("mine.wasm").to_str().unwrap(), "--name", name])
    }

    fn start_adding(&self, name: &str) -> Child {
        let mut command = self.command(Path::new(CTL), &["add"]);
        command.arg(self.path("mine.wasm")).args(["--name", name]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn versions(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("data/policies/compiled")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// This very program as a later version: its compiled code and the library know it by another key.
    fn next_version(&self, program: &Path) -> PathBuf {
        let mut bytes = fs::read(program).unwrap();
        let (key, next) = (ARTEFACT_KEY.as_bytes(), next_key());
        let at: Vec<usize> = (0..bytes.len() - key.len()).filter(|at| bytes[*at..].starts_with(key)).collect();
        assert!(!at.is_empty(), "the key is in {}", program.display());
        at.iter().for_each(|at| bytes[*at..*at + key.len()].copy_from_slice(next.as_bytes()));
        let path = self.path("next").join(program.file_name().unwrap());
        fs::create_dir_all(self.path("next")).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Whether a plugin can load the policy, without an address being given.
    fn status(&self, program: &Path) -> Result<(), String> {
        let config = json!({"cniVersion": "1.1.0", "name": "n", "type": "gingham", "isGateway": false, "ipam": {
            "type": "gingham", "policy": "mine", "subnet": "10.1.0.0/24", "dataDir": self.path("data")}});
        let mut command = Command::new(program);
        command.envs([("CNI_COMMAND", "STATUS"), ("CNI_PATH", "/nowhere")]);
        command.env("GINGHAM_LIBRARY", self.path("data/policies"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(config.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stdout).unwrap()) }
    }
}

fn next_key() -> String {
    let (head, last) = ARTEFACT_KEY.split_at(ARTEFACT_KEY.len() - 1);
    format!("{head}{}", if last == "9" { "8" } else { "9" })
}

#[test]
fn what_is_compiled_is_not_compiled_again() {
    let bench = Bench::new();
    assert!(bench.add("mine").done().starts_with("Installed policy mine, compiled in "));
    assert!(bench.add("mine").done().starts_with("Policy mine is already installed"));
    assert!(bench.add("other").done().starts_with("Installed policy other, compiled before\n"));
    let said = bench.policy(&["recompile"]).done();
    assert_eq!(
        said,
        format!("mine, other: already compiled\nAll policies are ready for this version ({}).\n", artefact_key())
    );
    let said: Value = serde_json::from_str(&bench.policy(&["recompile", "--json"]).done()).unwrap();
    assert_eq!((&said["version"], &said["policies"][0]["state"]), (&json!(artefact_key()), &json!("ready")));
}

/// As from a backup: the same bytes in another file. Each ADD would read all of them.
#[test]
fn code_that_was_copied_is_shown_and_recorded_again() {
    let bench = Bench::new();
    bench.add("mine").done();
    let copy = || {
        for file in fs::read_dir(bench.path("data/policies/compiled").join(artefact_key())).unwrap() {
            let path = file.unwrap().path();
            let copied = path.with_extension("copy");
            fs::copy(&path, &copied).unwrap();
            fs::rename(&copied, &path).unwrap();
        }
    };
    let list = || serde_json::from_str::<Value>(&bench.policy(&["list", "--json"]).done()).unwrap();
    let is_copied = || list().as_array().unwrap().last().unwrap()["copied"].clone();
    assert_eq!(is_copied(), json!(false));
    copy();
    assert_eq!((is_copied(), bench.status(plugin())), (json!(true), Ok(())));
    let shown = bench.policy(&["list"]).done();
    assert!(shown.contains("\nmine: the compiled file was copied, so that each ADD reads all of it: run "), "{shown}");
    let said = bench.policy(&["recompile"]).done();
    assert!(
        said.starts_with("mine: already compiled; its copied file is recorded, and ADD reads it no more\n"),
        "{said}"
    );
    assert_eq!((is_copied(), bench.status(plugin())), (json!(false), Ok(())));
    assert!(bench.policy(&["recompile"]).done().starts_with("mine: already compiled\n"));
    copy();
    assert!(bench.add("mine").done().starts_with("Policy mine is already installed"));
    assert_eq!(is_copied(), json!(false), "policy add records it as well");
}

#[test]
fn other_code_in_a_copied_file_is_not_recorded() {
    let bench = Bench::new();
    bench.add("mine").done();
    let code = fs::read_dir(bench.path("data/policies/compiled").join(artefact_key())).unwrap();
    let code = code.map(|file| file.unwrap().path()).find(|path| path.extension().unwrap() == "cwasm").unwrap();
    let mut bytes = fs::read(&code).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&code, bytes).unwrap();
    assert!(bench.status(plugin()).is_err());
    assert!(bench.policy(&["recompile"]).done().starts_with("mine: compiled in "));
    assert_eq!(bench.status(plugin()), Ok(()));
}

#[test]
fn a_library_that_an_option_names_is_there() {
    let bench = Bench::new();
    for arguments in [&["list"][..], &["remove", "mine"], &["recompile"], &["inspect", "mine"]] {
        let said = bench.policy(arguments).failed();
        assert!(said.contains("data/policies does not exist; name another with --library"), "{said}");
    }
    bench.add("mine").done();
    bench.policy(&["list"]).done();
}

#[test]
fn who_comes_second_waits_and_uses_what_the_first_compiled() {
    let bench = Bench::new();
    bench.add("mine").done();
    let directory = File::open(bench.path("data/policies/compiled").join(artefact_key())).unwrap();
    file_lock::lock(&directory, Kind::Exclusive).unwrap();
    let mut waiting = bench.start_adding("second");
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        assert!(waiting.try_wait().unwrap().is_none(), "it does not wait");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(directory);
    let output = waiting.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(out.starts_with("Installed policy second, compiled before\n"), "{out}{err}");
    assert_eq!(err, format!("ginghamctl: waiting for another compilation (pid {})\n", std::process::id()));
}

#[test]
fn two_that_start_together_compile_once() {
    let bench = Bench::new();
    let adding = ["a", "b"].map(|name| bench.start_adding(name));
    let said = adding.map(|child| String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap());
    let compiled = said.iter().filter(|said| said.contains("compiled in ")).count();
    let reused = said.iter().filter(|said| said.contains("compiled before")).count();
    assert_eq!((compiled, reused), (1, 1), "{said:?}");
}

/// The next version is this one with another key in its bytes, so that it refuses this one's code as every other does.
#[test]
fn an_upgrade_finds_its_policies_compiled() {
    let bench = Bench::new();
    bench.add("mine").done();
    let (new_tool, new_plugin) = (bench.next_version(Path::new(CTL)), bench.next_version(plugin()));
    assert_eq!(bench.status(plugin()), Ok(()));
    assert!(bench.status(&new_plugin).unwrap_err().contains("ginghamctl policy recompile"));

    let said = bench.policy(&["recompile", "--for", new_plugin.to_str().unwrap()]).done();
    assert!(said.starts_with("mine: compiled\nAll policies are ready for the new version ("), "{said}");
    assert_eq!(bench.versions().len(), 2, "{:?}", bench.versions());
    assert_eq!((bench.status(&new_plugin), bench.status(plugin())), (Ok(()), Ok(())), "both versions run");
    let again = bench.policy(&["recompile", "--for", new_tool.to_str().unwrap()]).done();
    assert!(again.starts_with("mine: already compiled\n"), "{again}");

    let said = Said::by(&mut bench.command(&new_tool, &["recompile", "--remove-others"])).done();
    assert!(said.contains(&format!("Removed the code compiled for {}", artefact_key())), "{said}");
    assert_eq!((bench.versions().len(), bench.status(&new_plugin)), (1, Ok(())));
    assert!(bench.status(plugin()).is_err());
}

#[test]
fn what_cannot_compile_for_a_new_version_says_so() {
    let bench = Bench::new();
    bench.add("mine").done();
    let said = bench.policy(&["recompile", "--for", "/nowhere/ginghamctl"]).failed();
    assert!(said.contains("only the new version's `ginghamctl` can compile for it"), "{said}");
    // Programs of two builds beside each other.
    bench.next_version(Path::new(CTL));
    fs::copy(plugin(), bench.path("next/gingham")).unwrap();
    let said = bench.policy(&["recompile", "--for", bench.path("next").to_str().unwrap()]).failed();
    assert!(said.contains("they are not of one build"), "{said}");
    // A program that is something else.
    fs::write(bench.path("script"), "#!/bin/sh\necho hello\n").unwrap();
    fs::set_permissions(bench.path("script"), fs::Permissions::from_mode(0o755)).unwrap();
    let said = bench.policy(&["recompile", "--for", bench.path("script").to_str().unwrap()]).failed();
    assert!(said.contains("its answer is not that of `policy recompile --json`"), "{said}");
}

#[test]
fn a_removed_policy_leaves_no_code_of_any_version() {
    let bench = Bench::new();
    bench.add("mine").done();
    let compiled = bench.path("data/policies/compiled");
    fs::create_dir(compiled.join("earlier")).unwrap();
    for file in fs::read_dir(compiled.join(artefact_key())).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), compiled.join("earlier").join(file.file_name())).unwrap();
    }
    bench.policy(&["remove", "mine"]).done();
    for version in bench.versions() {
        assert_eq!(fs::read_dir(compiled.join(&version)).unwrap().count(), 0, "{version}");
    }
}
