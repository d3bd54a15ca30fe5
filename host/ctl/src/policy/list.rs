//! `ginghamctl policy list`

use std::io;

use gingham_builtin::{BUILT_IN, BuiltIn};
use gingham_engine::library::{Digest, Installed, Library, LibraryError, Provenance, Signer};
use serde::Serialize;

use super::installed_component;
use crate::cli::ListArguments;
use crate::clock;
use crate::output::{Output, print_error};
use crate::table::{Table, size};

/// What is said of a policy whose compiled file was copied.
pub(crate) const COPIED: &str =
    "the compiled file was copied, so that each ADD reads all of it: run `ginghamctl policy recompile`";

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "it is the JSON that is printed")]
struct Row {
    name: String,
    digest: String,
    size: u64,
    built_in: bool,
    compiled: bool,
    /// The compiled file was copied: each ADD reads all of it.
    copied: bool,
    /// Why an upgrade cannot compile it.
    component_fault: Option<String>,
    has_release: bool,
    installed_at: Option<String>,
    #[serde(flatten)]
    provenance: ProvenanceJson,
}

/// Where a policy came from: all null for built-in ones, and for files without a signature.
#[derive(Default, Serialize)]
pub(super) struct ProvenanceJson {
    reference: Option<String>,
    manifest: Option<String>,
    signer: Option<Signer>,
}

impl ProvenanceJson {
    pub(super) fn of(provenance: &Provenance) -> Self {
        let Provenance { reference, manifest, signer } = provenance.clone();
        Self { reference, manifest: manifest.map(|manifest| manifest.to_string()), signer }
    }
}

/// The same for people.
pub(super) fn provenance_lines(provenance: &Provenance) -> Vec<(&'static str, String)> {
    let Provenance { reference, manifest, signer } = provenance;
    let signer = signer.as_ref().map(|Signer { fingerprint, comment }| match comment.as_str() {
        "" => fingerprint.clone(),
        comment => format!("{comment} ({fingerprint})"),
    });
    let lines =
        [("from", reference.clone()), ("manifest", manifest.as_ref().map(ToString::to_string)), ("signer", signer)];
    lines.into_iter().filter_map(|(label, value)| Some((label, value?))).collect()
}

pub(super) fn run(arguments: &ListArguments, library: &Library, out: &mut Output) -> Result<(), ListError> {
    let installed = library.list()?.into_iter().map(|(name, installed)| of_installed(name, &installed, library));
    for damage in library.damaged()? {
        print_error(&damage);
    }
    let rows: Vec<Row> = BUILT_IN.iter().map(of_built_in).chain(installed).collect();
    if arguments.format.json {
        return Ok(out.json(&rows)?);
    }
    let mut table = Table::new(["NAME", "DIGEST", "SIZE", "COMPILED", "RELEASE", "SOURCE"]);
    for row in &rows {
        table.row([
            row.name.clone(),
            short_digest(&row.digest),
            size(row.size),
            yes_no(row.compiled),
            yes_no(row.has_release),
            source(row),
        ]);
    }
    out.table(&table)?;
    if rows.iter().any(|row| !row.compiled) {
        writeln!(out, "Not compiled for this version: run `ginghamctl policy recompile`")?;
    }
    for row in rows.iter().filter(|row| row.compiled && row.copied) {
        writeln!(out, "{}: {COPIED}", row.name)?;
    }
    for fault in rows.iter().filter_map(|row| row.component_fault.as_ref()) {
        writeln!(out, "{fault}")?;
    }
    Ok(())
}

fn source(row: &Row) -> String {
    let other = if row.built_in { "built in" } else { "installed" };
    row.provenance.reference.clone().unwrap_or_else(|| other.to_owned())
}

fn of_built_in(policy: &BuiltIn) -> Row {
    Row {
        name: policy.name.to_owned(),
        digest: policy.digest.to_owned(),
        size: policy.component().len() as u64,
        built_in: true,
        compiled: true,
        copied: false,
        component_fault: None,
        has_release: policy.has_release,
        installed_at: None,
        provenance: ProvenanceJson::default(),
    }
}

fn of_installed(name: String, installed: &Installed, library: &Library) -> Row {
    // What is wrong with the file of a name is printed above the list.
    let provenance = library.provenance(&name).unwrap_or_default();
    let component = installed_component::read(library, &name, &installed.digest);
    Row {
        component_fault: component.err().map(|error| error.to_string()),
        name,
        digest: installed.digest.to_string(),
        size: installed.size,
        built_in: false,
        compiled: library.is_compiled(&installed.digest),
        copied: library.is_copied(&installed.digest),
        has_release: installed.has_release,
        installed_at: Some(clock::utc(installed.installed_at)),
        provenance: ProvenanceJson::of(&provenance),
    }
}

/// The digest's first twelve digits.
pub(crate) fn short_digest(digest: &str) -> String {
    Digest::parse(digest).map_or_else(|| digest.to_owned(), |digest| format!("sha256:{}", &digest.hex()[..12]))
}

pub(super) fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}
