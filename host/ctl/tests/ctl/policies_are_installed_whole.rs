//! A policy is installed checked, compiled and whole, or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gingham_builtin::BUILT_IN;
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{CTL, Said, ctl, scrubbed};

/// A library and a place for files, both empty.
struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.library()).unwrap();
        bench
    }

    fn library(&self) -> PathBuf {
        self.dir.path().join("library")
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A real policy in a file.
    fn policy(&self) -> PathBuf {
        self.file("mine_too.wasm", BUILT_IN[0].component())
    }

    fn policy_command(&self, arguments: &[&str]) -> Said {
        let library = self.library();
        ctl(["--library", library.to_str().unwrap(), "policy"].iter().chain(arguments))
    }

    fn add(&self, file: &Path, more: &[&str]) -> Said {
        self.policy_command(&[&["add", file.to_str().unwrap()], more].concat())
    }

    fn installed(&self) -> Vec<String> {
        let list: Value = serde_json::from_str(&self.policy_command(&["list", "--json"]).done()).unwrap();
        let rows = list.as_array().unwrap().iter().filter(|row| row["builtIn"] == false);
        rows.map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    }

    fn files(&self) -> Vec<PathBuf> {
        fn below(dir: &Path, files: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { below(&path, files) } else { files.push(path) }
            }
        }
        let mut files = Vec::new();
        below(&self.library(), &mut files);
        files
    }

    /// The one compiled policy.
    fn compiled(&self) -> PathBuf {
        self.files().into_iter().find(|path| path.extension().is_some_and(|found| found == "cwasm")).unwrap()
    }

    #[track_caller]
    fn refuses(&self, name: &str, bytes: &[u8], words: &[&str]) {
        let said = self.add(&self.file(name, bytes), &[]).failed();
        for word in words {
            assert!(said.contains(word), "{said}");
        }
        assert_eq!(self.files(), [""; 0].map(PathBuf::from), "{name}");
    }
}

#[test]
fn is_added_listed_inspected_and_removed() {
    let bench = Bench::new();
    let said = bench.add(&bench.policy(), &[]).done();
    insta::assert_snapshot!(
        "added",
        scrubbed(&said.replace(bench.dir.path().to_str().unwrap(), "DIR")).replace(&BUILT_IN[0].digest[7..], "HEX")
    );
    assert_eq!(bench.installed(), ["mine-too"]);
    insta::assert_snapshot!("listed", scrubbed(&bench.policy_command(&["list"]).done()));
    let said = bench.policy_command(&["inspect", "mine-too"]).done();
    // The tools' versions change.
    let of_policy: Vec<&str> = said.lines().filter(|line| !line.contains("  made by  ")).collect();
    insta::assert_snapshot!("inspected", scrubbed(&of_policy.join("\n")));
    let inspected: Value =
        serde_json::from_str(&bench.policy_command(&["inspect", "mine-too", "--json"]).done()).unwrap();
    assert_eq!((inspected["digest"].as_str(), inspected["compiled"].as_bool()), (Some(BUILT_IN[0].digest), Some(true)));
    bench.policy_command(&["remove", "mine-too"]).done();
    assert_eq!(bench.installed(), [""; 0]);
    assert_eq!(bench.files(), [""; 0].map(PathBuf::from));
    assert!(bench.policy_command(&["remove", "mine-too"]).failed().contains("no policy mine-too is installed"));
}

#[test]
fn the_same_again_is_fine() {
    let bench = Bench::new();
    bench.add(&bench.policy(), &[]).done();
    let files = bench.files();
    assert!(bench.add(&bench.policy(), &[]).done().contains("already installed"));
    bench.add(&bench.policy(), &["--name", "other"]).done();
    assert_eq!(bench.installed(), ["mine-too", "other"]);
    bench.policy_command(&["remove", "other"]).done();
    assert_eq!(bench.files(), files, "what another name needs stays");
}

#[test]
fn what_was_built_in_can_be_inspected_but_neither_replaced_nor_removed() {
    let bench = Bench::new();
    assert!(bench.add(&bench.policy(), &["--name", "host-local"]).failed().contains("built into the plugin"));
    assert!(bench.add(&bench.policy(), &["--name", "gingham"]).failed().contains("own name"));
    assert!(bench.policy_command(&["remove", "host-local"]).failed().contains("built into the plugin"));
    assert!(bench.policy_command(&["inspect", "host-local"]).done().contains("(built in)"));
    assert!(bench.policy_command(&["inspect", "nobody"]).failed().contains("ginghamctl policy list"));
}

#[test]
fn a_file_can_be_inspected_before_it_is_installed() {
    let bench = Bench::new();
    let file = bench.policy();
    let said = bench.policy_command(&["inspect", file.to_str().unwrap()]).done();
    assert!(
        said.starts_with("Policy mine-too (a file, not installed)\n") && said.contains("compiled     no"),
        "{said}"
    );
    assert_eq!(bench.files(), [""; 0].map(PathBuf::from));
}

#[test]
fn what_is_no_policy_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    let wat = |text: &str| wat::parse_str(text).unwrap();
    bench.refuses("text.wasm", b"this is no policy", &["text.wasm", "not a WebAssembly"]);
    bench.refuses(
        "plain.wasm",
        &wat(r#"(module (func (export "allocate")))"#),
        &["plain.wasm", "component", "gingham-sdk"],
    );
    bench.refuses("empty.wasm", &wat("(component)"), &["gingham:ipam/allocator"]);
    let greedy =
        r#"(component (import "wasi:cli/exit@0.2.0" (instance)) (import "gingham:ipam/disk@0.2.0" (instance)))"#;
    bench.refuses("greedy.wasm", &wat(greedy), &["wasi:cli/exit@0.2.0", "gingham:ipam/disk@0.2.0"]);
    let torn = &BUILT_IN[0].component()[..BUILT_IN[0].component().len() / 2];
    bench.refuses("torn.wasm", torn, &["torn.wasm"]);
    assert!(bench.add(Path::new("/nowhere/x.wasm"), &[]).failed().contains("/nowhere/x.wasm"));
    assert!(bench.add(bench.dir.path(), &[]).failed().contains("gingham-policy.toml"));
}

#[test]
fn functions_must_have_the_contracts_types() {
    let component = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $allocator (export "check-config" (func $f)) (export "allocate" (func $f)))
        (export "gingham:ipam/allocator@0.2.0" (instance $allocator)))"#;
    Bench::new().refuses(
        "typed.wasm",
        &wat::parse_str(component).unwrap(),
        &["typed.wasm", "`gingham:ipam/allocator@0.2.0`: missing expected export"],
    );
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let bench = Bench::new();
    let file = bench.file("large.wasm", b"");
    fs::File::options().write(true).open(&file).unwrap().set_len(1 << 40).unwrap();
    assert!(bench.add(&file, &[]).failed().contains("larger than 64 MiB"));
    assert!(bench.add(Path::new("/dev/zero"), &["--name", "zero"]).failed().contains("it is a device"));
}

/// The contract, as `wasm-tools component embed` and as wit-bindgen write it into a module.
#[test]
fn modules_that_carry_the_contract_are_taken() {
    let component =
        gingham_build::build_policy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/host-local"));
    let module = fs::read(component.unwrap().module).unwrap();
    let bench = Bench::new();
    bench.add(&bench.file("by-wit-bindgen.wasm", &module), &[]).done();
    bench.add(&bench.file("by-embedding.wasm", &renamed(&module, "component-type")), &[]).done();
    assert_eq!(bench.installed(), ["by-embedding", "by-wit-bindgen"]);
    bench.policy_command(&["remove", "by-embedding"]).done();
    bench.policy_command(&["remove", "by-wit-bindgen"]).done();
    bench.refuses("without.wasm", &renamed(&module, "another-section"), &["without.wasm", "carries no contract"]);
    // The name alone, in the middle of the data, is no section.
    let named =
        wat::parse_str(r#"(module (memory 1) (data (i32.const 0) "component-type:") (func (export "allocate")))"#);
    bench.refuses("named.wasm", &named.unwrap(), &["named.wasm", "carries no contract"]);
}

/// A module whose sections "component-type:…" have this name.
fn renamed(module: &[u8], name: &str) -> Vec<u8> {
    let mut renamed = module[..8].to_vec();
    let mut at = 8;
    while at < module.len() {
        let (id, start) = (module[at], at + 1);
        let (size, body) = number(module, start);
        let end = body + size;
        let (length, text) = number(module, body);
        if id == 0 && module[text..text + length].starts_with(b"component-type") {
            let content = &module[text + length..end];
            renamed.push(0);
            renamed.extend(leb128(1 + name.len() + content.len()));
            renamed.push(u8::try_from(name.len()).unwrap());
            renamed.extend(name.as_bytes());
            renamed.extend(content);
        } else {
            renamed.extend(&module[at..end]);
        }
        at = end;
    }
    renamed
}

/// A number as WebAssembly writes it, and where it ends.
fn number(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let (mut value, mut shift) = (0, 0);
    loop {
        value |= usize::from(bytes[at] & 0x7f) << shift;
        at += 1;
        if bytes[at - 1] < 0x80 {
            return (value, at);
        }
        shift += 7;
    }
}

fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// Few bytes that would become many, in the compiler or in an instance: all of it happens within a gigabyte.
#[test]
fn what_would_take_too_much_is_refused_within_a_gigabyte() {
    let bench = Bench::new();
    let many = |part: &str, count: usize| part.repeat(count);
    let tables = format!(
        "(component (core module $m {}) {})",
        many("(table 100000 funcref)", 90),
        many("(core instance (instantiate $m))", 105)
    );
    let locals =
        format!("(component (core module {}))", many(&format!("(func (local {}))", many("i32 ", 20_000)), 300));
    for (name, text) in [("tables", tables), ("locals", locals)] {
        let file = bench.file(&format!("{name}.wasm"), &wat::parse_str(text).unwrap());
        let library = bench.library();
        let script = "ulimit -v 1048576 && exec \"$@\"";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh", CTL, "--library"]).arg(library).args(["policy", "add"]).arg(&file);
        let said = Said::by(&mut command).failed();
        assert!(said.contains("too large for a policy"), "{name}: {said}");
        assert_eq!(bench.files(), [""; 0].map(PathBuf::from), "{name}");
    }
}

#[test]
fn bad_names_are_refused() {
    let bench = Bench::new();
    for name in ["", "..", "a/b", "-x", &"n".repeat(65)] {
        let said = bench.add(&bench.policy(), &[&format!("--name={name}")]).failed();
        assert!(said.contains("invalid policy name"), "{name:?}: {said}");
    }
    assert_eq!(bench.installed(), [""; 0]);
}

#[test]
fn machine_code_of_another_version_is_made_anew() {
    let bench = Bench::new();
    bench.add(&bench.policy(), &[]).done();
    let directory = bench.compiled().parent().unwrap().to_owned();
    fs::rename(&directory, directory.with_file_name("another-version")).unwrap();
    let list = bench.policy_command(&["list"]).done();
    assert!(list.contains("ginghamctl policy recompile"), "{list}");
    assert!(bench.policy_command(&["inspect", "mine-too"]).done().contains("compiled     no"));
    let said = bench.policy_command(&["recompile"]).done();
    assert!(said.starts_with("mine-too: compiled in "), "{said}");
    assert!(bench.policy_command(&["inspect", "mine-too"]).done().contains("compiled     yes"));
}

#[test]
fn what_is_damaged_is_repaired() {
    let bench = Bench::new();
    bench.add(&bench.policy(), &[]).done();
    fs::write(bench.compiled(), b"torn").unwrap();
    assert!(bench.add(&bench.policy(), &[]).done().starts_with("Installed policy mine-too"));
    fs::write(bench.library().join("names/mine-too.json"), b"{").unwrap();
    let list = bench.policy_command(&["list"]);
    assert!(list.err.contains("ginghamctl policy add") && list.out.contains("host-local"), "{} {}", list.out, list.err);
    assert!(bench.add(&bench.policy(), &[]).done().starts_with("Installed policy mine-too"));
    assert_eq!(bench.installed(), ["mine-too"]);
}

#[test]
fn a_component_that_is_not_what_it_was_is_not_compiled() {
    let bench = Bench::new();
    bench.add(&bench.policy(), &[]).done();
    let component = bench.files().into_iter().find(|path| path.extension().is_some_and(|found| found == "wasm"));
    fs::write(component.unwrap(), wat::parse_str("(component)").unwrap()).unwrap();
    let said = bench.policy_command(&["recompile"]);
    let damaged = "the component of policy mine-too in the library is damaged";
    assert!(said.out.contains(&format!("mine-too: NOT compiled: {damaged}")), "{}", said.out);
    assert!(said.failed().contains("1 of 1"));
    let listed = bench.policy_command(&["list"]).done();
    assert!(listed.contains(damaged) && listed.contains("`ginghamctl policy add`"), "{listed}");
    let listed: Value = serde_json::from_str(&bench.policy_command(&["list", "--json"]).done()).unwrap();
    let rows = listed.as_array().unwrap();
    let of_name = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap()["componentFault"].clone();
    assert!(of_name("mine-too").as_str().unwrap().contains(damaged), "{listed}");
    assert_eq!(of_name("host-local"), Value::Null, "{listed}");
    assert!(bench.policy_command(&["inspect", "mine-too"]).failed().contains(damaged));
}

#[test]
fn without_policies_there_is_nothing_to_recompile() {
    assert!(Bench::new().policy_command(&["recompile"]).done().starts_with("No policies are installed"));
}
