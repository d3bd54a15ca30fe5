//! `ginghamctl policy inspect`

use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::compile::{CompileError, Compiler};
use gingham_engine::library::{Digest, Library, LibraryError};
use gingham_engine::runtime::{LoadError, PACKAGE, Runtime, Surface};
use serde::Serialize;

use super::list::{ProvenanceJson, provenance_lines, yes_no};
use super::source::{Source, SourceError};
use crate::cli::InspectArguments;
use crate::clock;
use crate::output::Output;
use crate::table::size;

/// Why a policy cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    #[error("no policy or file {policy:?}; use a name that `ginghamctl policy list` shows, or the path of a file")]
    Unknown { policy: String },
    #[error(
        "the component of policy {name} is missing from the library; install it again with `ginghamctl policy add`"
    )]
    NoComponent { name: String },
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{policy}: {source}")]
    Compile { policy: String, source: CompileError },
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "it is the JSON that is printed")]
struct Inspected {
    name: String,
    digest: String,
    size: u64,
    built_in: bool,
    installed: bool,
    compiled: bool,
    contract: Option<String>,
    imports: Vec<String>,
    exports: Vec<String>,
    has_release: bool,
    has_adoption: bool,
    is_cluster: bool,
}

/// With what was recorded when it was installed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recorded<'a> {
    #[serde(flatten)]
    inspected: &'a Inspected,
    installed_at: Option<String>,
    #[serde(flatten)]
    provenance: ProvenanceJson,
}

pub(super) fn run(arguments: &InspectArguments, library: &Library, out: &mut Output) -> Result<(), InspectError> {
    let inspected = inspect(&arguments.policy, library)?;
    let installed_at = library.find(&arguments.policy)?.map(|installed| clock::utc(installed.installed_at));
    let provenance = library.provenance(&arguments.policy)?;
    if arguments.format.json {
        let provenance = ProvenanceJson::of(&provenance);
        return Ok(out.json(&Recorded { inspected: &inspected, installed_at, provenance })?);
    }
    show(&inspected, out)?;
    for (label, value) in provenance_lines(&provenance).into_iter().chain(installed_at.map(|time| ("since", time))) {
        writeln!(out, "  {label:<8}  {value}")?;
    }
    Ok(())
}

fn inspect(policy: &str, library: &Library) -> Result<Inspected, InspectError> {
    if let Some(installed) = library.find(policy)? {
        let compiled = library.is_compiled(&installed.digest);
        let surface = if compiled {
            library.load(&Runtime::new()?, policy, &installed)?.surface()
        } else {
            let missing = || InspectError::NoComponent { name: policy.to_owned() };
            surface_of(policy, &library.component(&installed.digest)?.ok_or_else(missing)?)?
        };
        let shown = Inspected::new(policy.to_owned(), installed.digest.to_string(), installed.size, surface);
        return Ok(Inspected { installed: true, compiled, ..shown });
    }
    if let Some(built_in) = gingham_builtin::find(policy) {
        let surface = built_in.load(&Runtime::new()?)?.surface();
        let size = built_in.component().len() as u64;
        let shown = Inspected::new(policy.to_owned(), built_in.digest.to_owned(), size, surface);
        return Ok(Inspected { built_in: true, compiled: true, ..shown });
    }
    of_file(policy, library)
}

fn of_file(policy: &str, library: &Library) -> Result<Inspected, InspectError> {
    let path = PathBuf::from(policy);
    if !Path::new(&path).exists() {
        return Err(InspectError::Unknown { policy: policy.to_owned() });
    }
    let source = Source::read(&path)?;
    let digest = Digest::of(&source.component);
    let compiled = library.is_compiled(&digest);
    let surface = surface_of(policy, &source.component)?;
    let shown = Inspected::new(source.name, digest.to_string(), source.component.len() as u64, surface);
    let installed = library.list()?.iter().any(|(_, installed)| installed.digest == digest);
    Ok(Inspected { installed, compiled, ..shown })
}

fn surface_of(policy: &str, component: &[u8]) -> Result<Surface, InspectError> {
    let compiled = Compiler::new()?.compile(component);
    Ok(compiled.map_err(|source| InspectError::Compile { policy: policy.to_owned(), source })?.surface)
}

impl Inspected {
    fn new(name: String, digest: String, size: u64, surface: Surface) -> Self {
        let contract = surface.imports.iter().chain(&surface.exports).find_map(|item| contract_version(item));
        let (has_release, has_adoption) = (surface.has_release(), surface.has_adoption());
        let is_cluster = surface.is_cluster();
        let Surface { imports, exports } = surface;
        Self {
            name,
            digest,
            size,
            built_in: false,
            installed: false,
            compiled: false,
            contract,
            imports,
            exports,
            has_release,
            has_adoption,
            is_cluster,
        }
    }
}

fn contract_version(item: &str) -> Option<String> {
    let (path, version) = item.split_once('@')?;
    path.starts_with(PACKAGE).then(|| version.to_owned())
}

fn show(inspected: &Inspected, out: &mut Output) -> Result<(), InspectError> {
    let source = match (inspected.built_in, inspected.installed) {
        (true, _) => "built in",
        (false, true) => "installed",
        (false, false) => "a file, not installed",
    };
    writeln!(out, "Policy {} ({source})", inspected.name)?;
    writeln!(out, "  digest    {}", inspected.digest)?;
    writeln!(out, "  size      {}", size(inspected.size))?;
    writeln!(out, "  contract  {PACKAGE} {}", inspected.contract.as_deref().unwrap_or("(imports none of it)"))?;
    writeln!(out, "  compiled  {}", yes_no(inspected.compiled))?;
    writeln!(out, "  release   {}", if inspected.has_release { "yes: DEL calls it" } else { "no" })?;
    writeln!(
        out,
        "  adoption  {}",
        if inspected.has_adoption { "yes: adopted leases are offered to it" } else { "no" }
    )?;
    writeln!(out, "  cluster   {}", if inspected.is_cluster { "yes: it divides a range among nodes" } else { "no" })?;
    writeln!(out, "  exports   {}", inspected.exports.join(", "))?;
    for (index, import) in inspected.imports.iter().enumerate() {
        writeln!(out, "  {:<8}  {import}", if index == 0 { "imports" } else { "" })?;
    }
    Ok(())
}
