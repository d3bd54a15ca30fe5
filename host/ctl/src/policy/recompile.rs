//! `ginghamctl policy recompile`: what an upgrade runs, because machine code is good for one version only.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use gingham_engine::library::{Digest, Library, LibraryError, artefact_key};

use super::compilation::{self, CompilationError};
use super::installed_component::{self, InstalledComponentError};
use super::next_version::{self, NextVersionError};
use super::recompiled::{One, Recompiled, State};
use crate::cli::RecompileArguments;
use crate::clock;
use crate::output::{Output, print_error};

/// Why not every policy is compiled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecompileError {
    #[error(
        "{failed} of {all} policies could not be compiled; ADD fails for networks that name one without machine code, see ginghamctl \
         policy list"
    )]
    Some { failed: usize, all: usize },
    #[error(transparent)]
    NextVersion(#[from] NextVersionError),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Why one policy is not.
#[derive(Debug, thiserror::Error)]
enum OneError {
    #[error(transparent)]
    Installed(#[from] InstalledComponentError),
    #[error(transparent)]
    Compilation(#[from] CompilationError),
    #[error(transparent)]
    Library(#[from] LibraryError),
}

pub(super) fn run(
    arguments: &RecompileArguments,
    library: &mut Library,
    library_dir: &Path,
    out: &mut Output,
) -> Result<(), RecompileError> {
    for damage in library.damaged()? {
        print_error(&damage);
    }
    let recompiled = match &arguments.new_binary {
        Some(binary) => next_version::recompile(binary, library_dir)?,
        None => recompile_all(library, arguments.remove_others)?,
    };
    if arguments.format.json {
        out.json(&recompiled)?;
    } else {
        show(&recompiled, arguments, out)?;
    }
    let failed = recompiled.policies.iter().filter(|one| one.state == State::Failed).count();
    match failed {
        0 => Ok(()),
        _ => Err(RecompileError::Some { failed, all: recompiled.policies.len() }),
    }
}

fn recompile_all(library: &mut Library, removes_others: bool) -> Result<Recompiled, LibraryError> {
    let mut names: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
    for (name, installed) in library.list()? {
        names.entry(installed.digest).or_default().push(name);
    }
    let policies: Vec<One> = names.into_iter().map(|(digest, names)| one(library, &digest, &names)).collect();
    let is_whole = policies.iter().all(|one| one.state != State::Failed);
    let removed = if removes_others && is_whole { library.remove_other_versions()? } else { Vec::new() };
    Ok(Recompiled { version: artefact_key(), policies, removed })
}

fn one(library: &mut Library, digest: &Digest, names: &[String]) -> One {
    let (names, digest_text) = (names.to_vec(), digest.to_string());
    let mut one = One { names, digest: digest_text, state: State::Ready, error: None, was_copied: false, took: None };
    match recompile(library, digest, &one.names.join(", ")) {
        Ok(Done::Before { was_copied }) => one.was_copied = was_copied,
        Ok(Done::Now(took)) => (one.state, one.took) = (State::Compiled, Some(took)),
        Err(error) => (one.state, one.error) = (State::Failed, Some(error.to_string())),
    }
    one
}

/// How a policy came to be compiled.
enum Done {
    Before {
        was_copied: bool,
    },
    /// It took so long.
    Now(Duration),
}

fn recompile(library: &mut Library, digest: &Digest, names: &str) -> Result<Done, OneError> {
    let component = installed_component::read(library, names, digest)?;
    let ready = compilation::compile(library, names, digest, &component)?;
    let Some((artefact, took)) = &ready.compiled else { return Ok(Done::Before { was_copied: ready.was_copied }) };
    library.store_compiled(digest, artefact)?;
    Ok(Done::Now(*took))
}

fn show(recompiled: &Recompiled, arguments: &RecompileArguments, out: &mut Output) -> io::Result<()> {
    let Recompiled { version, policies, removed } = recompiled;
    if policies.is_empty() {
        writeln!(out, "No policies are installed. Built-in policies need no compiling.")?;
    }
    for policy in policies {
        let names = policy.names.join(", ");
        match (policy.state, policy.took) {
            (State::Ready, _) if policy.was_copied => {
                writeln!(out, "{names}: already compiled; its copied file is recorded, and ADD reads it no more")?;
            }
            (State::Ready, _) => writeln!(out, "{names}: already compiled")?,
            (State::Compiled, Some(took)) => writeln!(out, "{names}: compiled in {}", clock::format_duration(took))?,
            (State::Compiled, None) => writeln!(out, "{names}: compiled")?,
            (State::Failed, _) => {
                writeln!(out, "{names}: NOT compiled: {}", policy.error.as_deref().unwrap_or("no reason given"))?;
            }
        }
    }
    for version in removed {
        writeln!(out, "Removed the code compiled for {version}")?;
    }
    let is_whole = policies.iter().all(|one| one.state != State::Failed);
    if policies.is_empty() || !is_whole {
        return Ok(());
    }
    match &arguments.new_binary {
        None => writeln!(out, "All policies are ready for this version ({version})."),
        Some(_) if *version == artefact_key() => {
            writeln!(out, "All policies are ready: that version runs the same code as this one ({version}).")
        }
        Some(_) => writeln!(
            out,
            "All policies are ready for the new version ({version}) and for this one ({}). Replace the programs now; \
             afterwards `ginghamctl policy recompile --remove-others` removes the earlier code.",
            artefact_key()
        ),
    }
}
