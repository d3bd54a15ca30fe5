//! `ginghamctl node install` and `rollback`.

use std::fs;

use super::PROGRAMS;
use super::error::{NodeError, file};
use super::program::{Directory, Outcome};
use crate::cli::{InstallArguments, RollbackArguments};
use crate::output::Output;

pub(super) fn run(arguments: &InstallArguments, out: &mut Output) -> Result<(), NodeError> {
    let from = match &arguments.from {
        Some(from) => from.clone(),
        None => {
            let own = std::env::current_exe().map_err(NodeError::OwnDirectory)?;
            own.parent().unwrap_or(&own).to_owned()
        }
    };
    let root = &arguments.host.root;
    // Everything below it would be made, and no runtime would ever look there.
    if !root.is_dir() {
        return Err(NodeError::NoHost { path: root.clone() });
    }
    let path = arguments.host.directory(&arguments.host.bin_dir);
    fs::create_dir_all(&path).map_err(file("create", &path))?;
    let directory = Directory::lock(&path)?;
    for name in PROGRAMS {
        let outcome = directory.install(name, &from.join(name))?;
        let shown = directory.program(name);
        match outcome {
            Outcome::Unchanged => writeln!(out, "{} is up to date", shown.display())?,
            Outcome::Installed => writeln!(out, "installed {}", shown.display())?,
            Outcome::Replaced => {
                let previous = directory.previous(name);
                writeln!(out, "replaced {}; the earlier one is {}", shown.display(), previous.display())?;
            }
        }
    }
    Ok(())
}

pub(super) fn roll_back(arguments: &RollbackArguments, out: &mut Output) -> Result<(), NodeError> {
    let path = arguments.host.directory(&arguments.host.bin_dir);
    let directory = Directory::lock(&path)?;
    let mut is_any = false;
    for name in PROGRAMS {
        if directory.roll_back(name)? {
            is_any = true;
            writeln!(out, "{} is the previous version again", directory.program(name).display())?;
        }
    }
    if is_any { Ok(()) } else { Err(NodeError::NoPrevious { directory: path }) }
}
