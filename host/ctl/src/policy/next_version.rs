//! Compiling for a version that is to be installed. Only its own compiler makes code for it, so its `ginghamctl` does it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::recompiled::Recompiled;

/// The programs of a version, in one directory.
const TOOL: &str = "ginghamctl";
const PLUGIN: &str = "gingham";

/// How the plugin introduces what it is compiled for.
const PLUGINS_VERSION: &str = "compiled policies: ";

/// Why another version's policies are not compiled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NextVersionError {
    #[error(
        "{} is neither a `ginghamctl` nor a plugin beside one: only the new version's `ginghamctl` can compile for it; \
         give its path, or that of the directory of the new programs",
        .path.display()
    )]
    NoTool { path: PathBuf },
    #[error("cannot run {}: {source}", .path.display())]
    Start { path: PathBuf, source: io::Error },
    #[error("{} could not compile the policies: {reason}", .path.display())]
    Failed { path: PathBuf, reason: String },
    #[error(
        "{} runs code compiled for {plugin}, but {} compiles for {tool}: they are not of one build; install both from one",
        .plugin_path.display(), .tool_path.display()
    )]
    OtherPlugin { plugin_path: PathBuf, plugin: String, tool_path: PathBuf, tool: String },
}

/// Lets the version that a path belongs to compile what is installed, and makes sure that its plugin will take it.
pub(super) fn recompile(binary: &Path, library: &Path) -> Result<Recompiled, NextVersionError> {
    let programs = Programs::of(binary)?;
    let mut command = Command::new(&programs.tool);
    command.arg("--library").arg(library).args(["policy", "recompile", "--json"]).stderr(Stdio::inherit());
    let output = output(&mut command, &programs.tool)?;
    let recompiled: Recompiled = serde_json::from_slice(&output.stdout).map_err(|error| NextVersionError::Failed {
        path: programs.tool.clone(),
        reason: format!("{}, and its answer is not that of `policy recompile --json`: {error}", output.status),
    })?;
    if let Some(plugin) = programs.plugin {
        let of_plugin = version_of(&plugin)?;
        if of_plugin.as_deref().is_some_and(|version| version != recompiled.version) {
            return Err(NextVersionError::OtherPlugin {
                plugin_path: plugin,
                plugin: of_plugin.unwrap_or_default(),
                tool_path: programs.tool,
                tool: recompiled.version,
            });
        }
    }
    Ok(recompiled)
}

struct Programs {
    tool: PathBuf,
    plugin: Option<PathBuf>,
}

impl Programs {
    fn of(given: &Path) -> Result<Self, NextVersionError> {
        let no_tool = || NextVersionError::NoTool { path: given.to_owned() };
        // A bare name would be looked for in PATH, where this version is.
        let given_path = std::path::absolute(given).map_err(|_| no_tool())?;
        if given_path.is_file() && version_of(&given_path)?.is_none() {
            let beside = given_path.with_file_name(PLUGIN);
            return Ok(Self { tool: given_path, plugin: beside.is_file().then_some(beside) });
        }
        let (tool, plugin) = if given_path.is_dir() {
            (given_path.join(TOOL), given_path.join(PLUGIN))
        } else {
            (given_path.with_file_name(TOOL), given_path)
        };
        if tool.is_file() { Ok(Self { tool, plugin: plugin.is_file().then_some(plugin) }) } else { Err(no_tool()) }
    }
}

/// What a plugin runs, as it introduces itself when no runtime calls it. None if it is no plugin.
fn version_of(program: &Path) -> Result<Option<String>, NextVersionError> {
    let mut command = Command::new(program);
    command.env_remove("CNI_COMMAND").stderr(Stdio::piped());
    let output = output(&mut command, program)?;
    let text = String::from_utf8_lossy(&output.stderr);
    Ok(text.lines().find_map(|line| line.strip_prefix(PLUGINS_VERSION)).map(str::to_owned))
}

fn output(command: &mut Command, path: &Path) -> Result<Output, NextVersionError> {
    let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).output();
    output.map_err(|source| NextVersionError::Start { path: path.to_owned(), source })
}
