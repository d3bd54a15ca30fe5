//! Everything that is known of a policy's component.

use gingham_engine::compile::{Examined, examine};
use gingham_engine::description::{Description, Producer};
use gingham_engine::library::{Digest, Provenance};
use gingham_engine::runtime::{Language, PACKAGE, Surface};
use serde::Serialize;

use super::cost::Trial;
use crate::policy::list::ProvenanceJson;

/// Where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Origin {
    BuiltIn,
    Installed,
    File,
    /// A file with the bytes of an installed policy.
    InstalledFile,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "it is the JSON that is printed")]
pub(in crate::policy) struct Inspected {
    pub(super) name: String,
    pub(super) digest: String,
    pub(super) size: u64,
    pub(super) built_in: bool,
    pub(super) installed: bool,
    pub(super) compiled: bool,
    pub(super) contract: Option<String>,
    pub(super) imports: Vec<String>,
    /// Those of the contract. Tools add others, which nothing calls.
    pub(super) exports: Vec<String>,
    /// What it was written in, as far as its producers show.
    pub(super) language: Option<&'static str>,
    pub(super) has_release: bool,
    pub(super) has_adoption: bool,
    pub(super) is_cluster: bool,
    pub(in crate::policy::inspect) metadata: Metadata,
    /// Why it cannot be used; empty if it can.
    pub(in crate::policy) refused: Vec<String>,
    pub(in crate::policy::inspect) installed_at: Option<String>,
    /// Recorded when it was installed.
    #[serde(flatten)]
    pub(in crate::policy::inspect) provenance: ProvenanceJson,
    /// With a configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::policy::inspect) trial: Option<Trial>,
}

/// What its author wrote into it.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) description: Option<String>,
    pub(super) licences: Option<String>,
    pub(super) authors: Option<String>,
    pub(super) source: Option<String>,
    pub(super) homepage: Option<String>,
    pub(super) revision: Option<String>,
    pub(super) producers: Vec<ProducerFacts>,
}

#[derive(Serialize)]
pub(super) struct ProducerFacts {
    pub(super) role: String,
    pub(super) name: String,
    pub(super) version: String,
}

impl Inspected {
    /// What shows without compiling; it is refused if anything of that is wrong.
    pub(in crate::policy) fn of(name: &str, component: &[u8], digest: &Digest, origin: Origin) -> Self {
        let Examined { description, refusals } = examine(component);
        let surface = description.as_ref().map_or(Surface::default(), |description| description.surface.clone());
        let contract = surface.imports.iter().chain(&surface.exports).find_map(|item| contract_version(item));
        Self {
            name: name.to_owned(),
            digest: digest.to_string(),
            size: component.len() as u64,
            built_in: origin == Origin::BuiltIn,
            installed: matches!(origin, Origin::Installed | Origin::InstalledFile),
            compiled: false,
            contract,
            has_release: surface.has_release(),
            has_adoption: surface.has_adoption(),
            is_cluster: surface.is_cluster(),
            imports: surface.imports.clone(),
            exports: surface.contract_exports().map(str::to_owned).collect(),
            language: description.as_ref().and_then(Description::language).map(Language::name),
            metadata: description.map(Metadata::of).unwrap_or_default(),
            refused: refusals.iter().map(ToString::to_string).collect(),
            installed_at: None,
            provenance: ProvenanceJson::of(&Provenance::default()),
            trial: None,
        }
    }
}

impl Metadata {
    fn of(of: Description) -> Self {
        let Description { name, version, description, licences, authors, source, homepage, revision, .. } = of;
        let facts = |Producer { role, name, version }| ProducerFacts { role, name, version };
        let producers = of.producers.into_iter().map(facts).collect();
        Self { name, version, description, licences, authors, source, homepage, revision, producers }
    }
}

fn contract_version(item: &str) -> Option<String> {
    let (path, version) = item.split_once('@')?;
    path.starts_with(PACKAGE).then(|| version.to_owned())
}
