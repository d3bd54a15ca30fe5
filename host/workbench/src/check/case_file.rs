//! A finding as a file for `ginghamctl policy test`, where it fails in the same way.

use std::fmt::Write as _;

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::AttachmentRecord;
use gingham_engine::runtime::Policy;
use serde_json::{Map, Value};
use toml::Spanned;

use super::CheckError;
use super::narrowing::Usable;
use super::property::Violation;
use super::script::Script;
use super::sequence::Narrowing;
use super::subject::Subject;
use crate::cases::{self, Case, CaseFile, Lease, List, Node};

/// The text of the file.
pub(super) fn text(
    subject: &Subject,
    usable: &[Usable],
    (narrowing, script): (&Narrowing, &Script),
    violation: &Violation,
) -> Result<String, CheckError> {
    let case = Case {
        name: violation.property.rule().to_owned(),
        leases: usable.first().map(|usable| narrowing.leases(usable)).unwrap_or_default().iter().map(lease).collect(),
        steps: script.steps.iter().cloned().map(unspanned).collect(),
        ..Case::default()
    };
    let node = Node { name: subject.node.clone(), labels: subject.node_labels.clone() };
    let file = CaseFile {
        config: config(subject, usable, narrowing),
        network: subject.network.clone(),
        node: Some(node).filter(|node| node.name.is_some() || node.labels.is_some()),
        cases: vec![unspanned(case)],
        ..CaseFile::default()
    };
    let mut text = String::new();
    // Writing to a text does not fail.
    let _ = writeln!(
        text,
        "# Found by `ginghamctl policy check`: {} breaks {}.",
        subject.policy.name(),
        violation.property
    );
    let _ = writeln!(text, "# {}", violation.message.replace(['\n', '\r'], " "));
    text += &toml::to_string(&file).map_err(|source| CheckError::CaseFile { reason: source.to_string() })?;
    Ok(text)
}

/// What the file's case fails with in its last step.
pub(super) fn failure(policy: &Policy, text: &str) -> Option<Vec<String>> {
    let file = cases::read(text).ok()?;
    let failure = cases::run(policy, &file, text, 0).failure?;
    let is_last = file.cases.first().is_some_and(|case| case.get_ref().steps.len() == failure.step);
    is_last.then(|| failure.mismatches.into_iter().map(|mismatch| mismatch.what).collect())
}

fn unspanned<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

/// TOML knows no null, and to a configuration a null key is an absent one.
fn config(subject: &Subject, usable: &[Usable], narrowing: &Narrowing) -> Option<Map<String, Value>> {
    let (ipam, usable) = (subject.configurations.first()?, usable.first()?);
    let mut config = narrowing.configuration(ipam, usable).as_object().cloned()?;
    config.retain(|_, value| !value.is_null());
    Some(config)
}

fn lease((key, record): &(AttachmentKey, AttachmentRecord)) -> Lease {
    Lease {
        address: List(record.addresses.clone()),
        container: key.container_id.clone(),
        interface: None,
        pod: None,
        reason: None,
        age: None,
    }
}
