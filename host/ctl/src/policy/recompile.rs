//! `ginghamctl policy recompile`: what an upgrade runs, because machine code is good for one version only.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use gingham_engine::compile::{CompileError, Compiler};
use gingham_engine::library::{Digest, Library, LibraryError, artefact_key};
use gingham_engine::runtime::LoadError;

use crate::clock;
use crate::output::{Output, print_error};

/// Why not every policy is compiled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecompileError {
    #[error("{failed} of {all} policies could not be compiled; ADD fails for networks that name them")]
    Some { failed: usize, all: usize },
    #[error(transparent)]
    Compiler(#[from] LoadError),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Why one policy is not.
#[derive(Debug, thiserror::Error)]
enum OneError {
    #[error("its component is missing from the library; install it again with `ginghamctl policy add`")]
    Missing,
    #[error("its component in the library is damaged; install it again with `ginghamctl policy add`")]
    Damaged,
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(transparent)]
    Library(#[from] LibraryError),
}

pub(super) fn run(library: &mut Library, out: &mut Output) -> Result<(), RecompileError> {
    let mut names: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
    for (name, installed) in library.list()? {
        names.entry(installed.digest).or_default().push(name);
    }
    for damage in library.damaged()? {
        print_error(&damage);
    }
    if names.is_empty() {
        writeln!(out, "No policies are installed. Built-in policies need no compiling.")?;
        return Ok(());
    }
    let compiler = Compiler::new()?;
    let mut failed = 0;
    for (digest, names) in &names {
        let start = Instant::now();
        let names = names.join(", ");
        match recompile(&compiler, library, digest) {
            Ok(()) => writeln!(out, "{names}: compiled in {}", clock::format_duration(start.elapsed()))?,
            Err(error) => {
                failed += 1;
                writeln!(out, "{names}: NOT compiled: {error}")?;
            }
        }
    }
    match failed {
        0 => Ok(writeln!(out, "All policies are ready for this version ({}).", artefact_key())?),
        _ => Err(RecompileError::Some { failed, all: names.len() }),
    }
}

fn recompile(compiler: &Compiler, library: &mut Library, digest: &Digest) -> Result<(), OneError> {
    let component = library.component(digest)?.ok_or(OneError::Missing)?;
    if Digest::of(&component) != *digest {
        return Err(OneError::Damaged);
    }
    let artefact = compiler.compile(&component)?.artefact;
    Ok(library.store_compiled(digest, &artefact)?)
}
