//! The cargo call, and what is read from its messages.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, thread};

use serde_json::Value;

use crate::{BuildError, TARGET};

/// Names another cargo for policies, where rustup cannot bring the target; it builds the standard library itself, so it
/// needs that library's source (Debian: rustc-web, cargo-web, rust-web-src). `RUSTC` is taken from beside it.
const OTHER_CARGO: &str = "GINGHAM_GUEST_CARGO";

/// What the user sets for policies alone: `CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER`.
const TARGETS_OWN: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_";

/// A policy is small and starts for every container: size counts, and a panic is a trap. Level 2 came out smaller than
/// 's' (the default policy: 179 kB against 196) and needs less fuel.
const PROFILE: [&str; 4] = [
    "profile.release.opt-level=2",
    "profile.release.lto='fat'",
    "profile.release.codegen-units=1",
    "profile.release.panic='abort'",
];
/// The names of functions stay: a fault is shown with them.
const NAMES: [&str; 2] = ["profile.release.strip='debuginfo'", "profile.release.debug=false"];
/// And lines, where they are wanted.
const LINES: [&str; 2] = ["profile.release.strip='none'", "profile.release.debug='line-tables-only'"];

pub(crate) struct Built {
    pub(crate) module: PathBuf,
    pub(crate) package: String,
    /// The compiler's.
    pub(crate) warnings: String,
}

/// Builds; `progress` gets each line that cargo and rustc print, as it comes.
pub(crate) fn build(
    directory: &Path,
    target_dir: &Path,
    lines: bool,
    progress: &mut dyn FnMut(&str),
) -> Result<Built, BuildError> {
    let manifest = directory.join("Cargo.toml");
    if !manifest.exists() {
        return Err(BuildError::NoCrate { path: directory.to_owned() });
    }
    let command = command(&manifest, target_dir, lines);
    let program = command.get_program().to_string_lossy().into_owned();
    let output = run(command, progress).map_err(|source| BuildError::CargoMissing { program, source })?;
    if !output.is_success {
        return Err(failure(directory, output.text));
    }
    artefact(&output, &manifest).ok_or_else(|| BuildError::NotCdylib { path: directory.to_owned() })
}

struct Printed {
    is_success: bool,
    /// Cargo's messages.
    json: String,
    /// What is for people.
    text: String,
}

fn run(mut command: Command, progress: &mut dyn FnMut(&str)) -> io::Result<Printed> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let messages = thread::spawn(move || {
        let mut json = Vec::new();
        stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut json)).map(|_| json)
    });
    let mut text = String::new();
    let mut lines = stderr.map(BufReader::new);
    let mut line = Vec::new();
    while lines.as_mut().map_or(Ok(0), |lines| lines.read_until(b'\n', &mut line))? > 0 {
        let shown = String::from_utf8_lossy(&line);
        progress(shown.trim_end());
        text.push_str(&shown);
        line.clear();
    }
    let json = messages.join().map_err(|_| io::Error::other("the reader of cargo's messages panicked"))??;
    let json = String::from_utf8_lossy(&json).into_owned();
    Ok(Printed { is_success: child.wait()?.success(), json, text })
}

/// Whether a line is one of cargo's on what it does, such as `   Compiling serde v1.0.229`: the verb ends in column 12.
pub(crate) fn is_status(line: &str) -> bool {
    let verb = line.get(..12).map(str::trim_start);
    verb.is_some_and(|verb| verb.starts_with(|first: char| first.is_ascii_uppercase()))
        && line.get(12..).is_some_and(|rest| rest.starts_with(' '))
}

#[allow(clippy::disallowed_methods)] // The one program this crate is there to run.
fn command(manifest: &Path, target_dir: &Path, lines: bool) -> Command {
    let other = env::var_os(OTHER_CARGO).map(PathBuf::from);
    let cargo = other.clone().or_else(|| env::var_os("CARGO").map(PathBuf::from)).unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    // The outer build's settings are for the host: its flags, wrappers and target directory must not leak in here.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let ours = ["CARGO_HOME", "CARGO_NET_OFFLINE"].contains(&&*name) || name.starts_with(TARGETS_OWN);
        let foreign = name.starts_with("CARGO_") && !ours;
        if foreign
            || ["RUSTFLAGS", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTDOC", "TARGET"].contains(&&*name)
        {
            command.env_remove(&*name);
        }
    }
    command.args(["build", "--lib", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"]);
    command.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(target_dir);
    for setting in PROFILE.into_iter().chain(if lines { LINES } else { NAMES }) {
        command.args(["--config", setting]);
    }
    if let Some(setting) = remapping() {
        command.args(["--config", &setting]);
    }
    if let Some(other) = other {
        command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", other.with_file_name("rustc"));
        command.args(["-Zbuild-std=std,panic_abort"]);
    }
    command
}

/// The message of a panic has the path of its source. Paths within the workspace are relative; those of other people's
/// crates begin where this machine keeps its downloads, and a policy's digest must not depend on that.
fn remapping() -> Option<String> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")))?;
    let flag = serde_json::to_string(&format!("--remap-path-prefix={}=/cargo", home.to_str()?)).ok()?;
    Some(format!("target.{TARGET}.rustflags=[{flag}]"))
}

/// Beside the outer build's files, in a directory of its own: the outer cargo holds a lock on the rest.
pub(crate) fn target_dir(manifest: &Path) -> PathBuf {
    let workspace = manifest.ancestors().skip(1).filter(|dir| dir.join("Cargo.lock").exists()).last();
    let root = workspace.or_else(|| manifest.parent()).unwrap_or_else(|| Path::new("."));
    root.join("target").join("policies")
}

fn failure(directory: &Path, text: String) -> BuildError {
    // rustc's E0463 for the target's library.
    if text.contains("can't find crate for `core`") || text.contains("can't find crate for `std`") {
        return BuildError::TargetMissing;
    }
    BuildError::Compile { path: directory.to_owned(), output: text }
}

/// The module of the package itself, among the messages on all that was built.
fn artefact(output: &Printed, manifest: &Path) -> Option<Built> {
    let manifest = manifest.canonicalize().ok()?;
    let warnings: Vec<&str> = output.text.lines().filter(|line| !is_status(line)).collect();
    let warnings = warnings.join("\n").trim().to_owned();
    let messages = output.json.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.filter(|message| message["reason"] == "compiler-artifact").find_map(|message| {
        let of = Path::new(message["manifest_path"].as_str()?).canonicalize().ok()?;
        let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
        let module = files.map(PathBuf::from).find(|file| file.extension().is_some_and(|ext| ext == "wasm"))?;
        let package = of.parent()?.file_name()?.to_string_lossy().into_owned();
        let name = message["target"]["name"].as_str().map_or(package, |name| name.replace('_', "-"));
        (of == manifest).then(|| Built { module, package: name, warnings: warnings.clone() })
    })
}
