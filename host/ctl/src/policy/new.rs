//! `ginghamctl policy new`

use std::io;
use std::path::PathBuf;

use gingham_languages::{Kind, Language, NameError, NewError, PolicyName};

use crate::cli::NewArguments;
use crate::output::Output;

/// Why no directory was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewPolicyError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("{name} is built into the plugin, and an installed policy of that name would hide it; choose another name")]
    BuiltIn { name: PolicyName },
    #[error(transparent)]
    New(#[from] NewError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

pub(super) fn run(arguments: &NewArguments, out: &mut Output) -> Result<(), NewPolicyError> {
    let name: PolicyName = arguments.name.parse()?;
    if gingham_builtin::find(name.as_str()).is_some() {
        return Err(NewPolicyError::BuiltIn { name });
    }
    let directory = arguments.dir.clone().unwrap_or_else(|| PathBuf::from(name.as_str()));
    let (language, kind) = (Language::from(arguments.lang), Kind::from(arguments.kind));
    gingham_languages::create(&directory, &name, language, kind)?;
    writeln!(out, "Wrote policy {name} ({language}, {}) to {}", kind.as_str(), directory.display())?;
    for program in language.missing() {
        writeln!(out, "  {program}")?;
    }
    writeln!(out, "Next:")?;
    writeln!(out, "  cd {}", directory.display())?;
    if language == Language::Python {
        writeln!(out, "  python3 -m venv .venv && .venv/bin/pip install -r requirements.txt")?;
    }
    writeln!(out, "  ginghamctl policy build")?;
    writeln!(out, "  ginghamctl policy test .")?;
    writeln!(out, "  sudo ginghamctl policy add .")?;
    Ok(())
}
