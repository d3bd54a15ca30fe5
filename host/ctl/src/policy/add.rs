//! `ginghamctl policy add`

use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::library::{Digest, Installed, Library, LibraryError, Provenance};
use gingham_engine::runtime::{Runtime, Surface};

use super::acquisition::{self, Acquired, AcquisitionError};
use super::compilation::{self, CompilationError};
use super::list::provenance_lines;
use crate::cli::AddArguments;
use crate::clock;
use crate::output::{Output, print_error};
use crate::table::size;

/// Why a policy was not installed. The library is as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddError {
    #[error(
        "{name} is built into the plugin, and an installed policy of that name would hide it from every network; choose \
         another name with --name"
    )]
    BuiltIn { name: String },
    #[error("gingham is the plugin's own name in a configuration; choose another name with --name")]
    OwnName,
    #[error(transparent)]
    Acquisition(#[from] AcquisitionError),
    #[error("{policy} has digest {actual}, not {pinned} as --digest requires; nothing was installed")]
    OtherDigest { policy: PathBuf, pinned: Digest, actual: Digest },
    #[error("{path}: {source}")]
    Compile { path: PathBuf, source: CompilationError },
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

pub(super) fn run(
    arguments: &AddArguments,
    library: &mut Library,
    library_dir: &Path,
    out: &mut Output,
) -> Result<(), AddError> {
    arguments.name.as_deref().map_or(Ok(()), refuse_reserved)?;
    let Acquired { source, provenance, unsigned } =
        acquisition::acquire(&arguments.file, &arguments.trust, &arguments.registry)?;
    let name = arguments.name.clone().unwrap_or(source.name);
    refuse_reserved(&name)?;
    let digest = Digest::of(&source.component);
    if let Some(pinned) = arguments.digest.as_ref().filter(|pinned| **pinned != digest) {
        let (policy, pinned) = (arguments.file.clone(), pinned.clone());
        return Err(AddError::OtherDigest { policy, pinned, actual: digest });
    }
    if let Some(reason) = unsigned {
        print_error(format_args!(
            "warning: {}: {reason}; the trust file does not require it",
            arguments.file.display()
        ));
    }
    // A damaged entry is what this call repairs.
    let before = library.find(&name).ok().flatten();
    if let Some(before) = before.as_ref().filter(|before| before.digest == digest && is_ready(library, &name, before)) {
        if library.provenance(&name)? != provenance {
            library.record(&name, &Installed { installed_at: clock::now(), ..before.clone() }, &provenance)?;
        }
        library.record_copied(&digest)?;
        writeln!(out, "Policy {name} is already installed: {digest}")?;
        return describe_provenance(&provenance, out);
    }
    let ready = compilation::compile(library, &name, &digest, &source.component)
        .map_err(|source| AddError::Compile { path: arguments.file.clone(), source })?;
    let installed = Installed {
        digest,
        size: source.component.len() as u64,
        has_release: ready.surface.has_release(),
        installed_at: clock::now(),
    };
    let how = install(library, (&name, &source.component), &ready, &installed, &provenance)?;
    writeln!(out, "Installed policy {name}, {how}")?;
    if let Some(before) = before.filter(|before| before.digest != installed.digest) {
        writeln!(out, "  instead  {}", before.digest)?;
    }
    describe_provenance(&provenance, out)?;
    describe(&name, &installed, &ready.surface, library_dir, out)
}

/// Says how it came to be compiled.
fn install(
    library: &mut Library,
    (name, component): (&str, &[u8]),
    ready: &compilation::Ready,
    installed: &Installed,
    provenance: &Provenance,
) -> Result<String, LibraryError> {
    if let Some((artefact, took)) = &ready.compiled {
        library.install_from(name, component, artefact, installed, provenance)?;
        return Ok(format!("compiled in {}", clock::format_duration(*took)));
    }
    library.install_compiled(name, component, installed, provenance)?;
    Ok("compiled before".to_owned())
}

fn describe_provenance(provenance: &Provenance, out: &mut Output) -> Result<(), AddError> {
    for (label, value) in provenance_lines(provenance) {
        writeln!(out, "  {label:<8} {value}")?;
    }
    Ok(())
}

fn is_ready(library: &Library, name: &str, installed: &Installed) -> bool {
    library.is_compiled(&installed.digest)
        && Runtime::new().is_ok_and(|runtime| library.load(&runtime, name, installed).is_ok())
}

fn refuse_reserved(name: &str) -> Result<(), AddError> {
    match name {
        "gingham" => Err(AddError::OwnName),
        _ if gingham_builtin::find(name).is_some() => Err(AddError::BuiltIn { name: name.to_owned() }),
        _ => Ok(()),
    }
}

fn describe(
    name: &str,
    installed: &Installed,
    surface: &Surface,
    library_dir: &Path,
    out: &mut Output,
) -> Result<(), AddError> {
    let at = library_dir.join("components").join(format!("{}.wasm", installed.digest.hex()));
    writeln!(out, "  digest   {}", installed.digest)?;
    writeln!(out, "  exports  {}", surface.contract_exports().collect::<Vec<_>>().join(", "))?;
    writeln!(out, "  imports  {}", imports(surface))?;
    writeln!(out, "  at       {} ({})", at.display(), size(installed.size))?;
    writeln!(out, "Select it in a network's configuration:")?;
    writeln!(out, "  \"ipam\": {{\"type\": \"gingham\", \"policy\": \"{name}\", ...}}")?;
    Ok(())
}

/// All of them are the contract's: its name once is enough.
fn imports(surface: &Surface) -> String {
    let parts = |import: &str| {
        let (path, version) = import.split_once('@')?;
        let (package, interface) = path.split_once('/')?;
        Some((format!("{package}@{version}"), interface.to_owned()))
    };
    let parted: Vec<(String, String)> = surface.imports.iter().filter_map(|import| parts(import)).collect();
    let of_package = |group: &[(String, String)]| {
        let interfaces: Vec<&str> = group.iter().map(|(_, interface)| interface.as_str()).collect();
        group.first().map(|(package, _)| format!("{package} ({})", interfaces.join(", "))).unwrap_or_default()
    };
    let groups: Vec<String> = parted.chunk_by(|(one, _), (other, _)| one == other).map(of_package).collect();
    if groups.is_empty() { "nothing".to_owned() } else { groups.join(", ") }
}
