//! The call of componentize-py.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::stage::Sources;
use super::{PythonError, failed};
use crate::work_directory::WorkDirectory;
use crate::{Export, Program, ToolchainError, contract, linked};

/// The version that policies are built with: others make other bindings.
pub(super) const VERSION: &str = "0.25.1";

const PROGRAM: &str = "componentize-py";

/// Where a policy's own one is.
const OWN: &str = ".venv/bin/componentize-py";

/// Builds the sources in a directory of their own, below the one for what is kept.
pub(super) fn run(
    directory: &Path,
    kept: &Path,
    sources: &Sources,
    exports: &[Export],
) -> Result<Vec<u8>, ToolchainError> {
    let program = find(directory)?;
    let stage = WorkDirectory::open(kept).map_err(failed(kept))?;
    // The tool unpacks Python into a temporary directory.
    let temporary = stage.path().join("tmp");
    fs::create_dir(&temporary).map_err(failed(&temporary))?;
    for (path, text) in sources {
        let path = stage.path().join("app").join(path);
        let parent = path.parent().unwrap_or(stage.path());
        fs::create_dir_all(parent).and_then(|()| fs::write(&path, text)).map_err(failed(&path))?;
    }
    contract::write(&stage.path().join("wit"), exports).map_err(failed(stage.path()))?;
    let mut command = isolated(&program, stage.path());
    command.env("TMPDIR", std::path::absolute(&temporary).map_err(failed(&temporary))?);
    command.args(["--quiet", "--wit-path", "wit", "--world", contract::WORLD, "componentize", "--stub-wasi"]);
    command.args(["--python-path", "app", "--output", "policy.wasm", "gingham_component"]);
    let output = command.output().map_err(|source| ToolchainError::Start { program: PROGRAM, source })?;
    if !output.status.success() {
        return Err(PythonError::Failed { output: reason(&String::from_utf8_lossy(&output.stderr)) }.into());
    }
    let component = stage.path().join("policy.wasm");
    let component = fs::read(&component).map_err(failed(&component))?;
    let linked = linked::component(&component, &stage.path().join("wit"), (PROGRAM, VERSION));
    Ok(linked.map_err(|source| PythonError::Link { source })?)
}

/// Nothing of this machine's Python becomes part of a policy: neither its packages nor its variables.
#[allow(clippy::disallowed_methods)] // The one program that policies in Python need.
fn isolated(program: &Path, stage: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(stage).env("VIRTUAL_ENV", stage);
    for variable in ["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"] {
        command.env_remove(variable);
    }
    command
}

fn find(directory: &Path) -> Result<PathBuf, PythonError> {
    let own = directory.join(OWN);
    let own = own.canonicalize().is_ok().then_some(own);
    let program = own.or_else(|| Program { name: PROGRAM, install: "" }.find());
    let missing = || PythonError::Missing { wanted: VERSION, directory: directory.to_owned() };
    let path = program.and_then(|path| std::path::absolute(path).ok()).ok_or_else(missing)?;
    let output = isolated(&path, directory).arg("--version").output().map_err(failed(&path))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let found = text.rsplit(' ').next().unwrap_or_default().to_owned();
    if found == VERSION { Ok(path) } else { Err(PythonError::Version { path, found, wanted: VERSION }) }
}

/// Of what the tool prints, the part that is about the policy: the last traceback without the tool's and Gingham's frames.
fn reason(output: &str) -> String {
    let inner = output.split_once("AssertionError: ").map_or(output, |(_, inner)| inner);
    let inner = inner.split("\n\nCaused by").next().unwrap_or(inner).trim_end();
    let lines: Vec<&str> = inner.lines().collect();
    let is_policys = |line: &&str| line.contains("File \"/0/") && !line.contains("File \"/0/gingham_");
    let from = lines.iter().position(is_policys).unwrap_or(lines.len().saturating_sub(1));
    lines[from..].join("\n").replace("\"/0/", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_traceback_the_policys_part_is_shown() {
        let frame = "Traceback (most recent call last):\n  File \"/x/bin/componentize-py\", line 8, in <module>\nAssertionError: \
                     Traceback (most recent call last):\n  File \"/0/gingham_component.py\", line 16, in <module>\n";
        let own = "  File \"/0/policy.py\", line 1\n    def check_config(:\nSyntaxError: invalid syntax\n\n\nCaused by:\n    more";
        assert_eq!(
            reason(&format!("{frame}{own}")),
            "  File \"policy.py\", line 1\n    def check_config(:\nSyntaxError: invalid syntax"
        );
        let ours =
            "    raise ImportError(text)\nImportError: policy.py has no function allocate\n\n\nCaused by:\n    more";
        assert_eq!(reason(&format!("{frame}{ours}")), "ImportError: policy.py has no function allocate");
        assert_eq!(reason("cannot start\n"), "cannot start");
    }
}
