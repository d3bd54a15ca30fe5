//! The facts as people read them.

use std::io;
use std::time::Duration;

use gingham_engine::library::Provenance;
use gingham_engine::runtime::PACKAGE;

use super::cost::{Call, Trial};
use super::facts::{Inspected, Metadata, ProducerFacts};
use crate::check_config::PoolFacts;
use crate::clock;
use crate::output::Output;
use crate::policy::list::{provenance_lines, yes_no};
use crate::table::size;

const LANGUAGE: &str = "language";

pub(super) fn show(inspected: &Inspected, provenance: &Provenance, out: &mut Output) -> io::Result<()> {
    let source = match (inspected.built_in, inspected.installed) {
        (true, _) => "built in",
        (false, true) => "installed",
        (false, false) => "a file, not installed",
    };
    writeln!(out, "Policy {} ({source})", inspected.name)?;
    for (row, value) in rows(inspected) {
        writeln!(out, "  {row:<11}  {value}")?;
    }
    let since = inspected.installed_at.clone().map(|time| ("since", time));
    for (row, value) in provenance_lines(provenance).into_iter().chain(since) {
        writeln!(out, "  {row:<11}  {value}")?;
    }
    list("exports", &inspected.exports, out)?;
    list("imports", &inspected.imports, out)?;
    list("refused", &inspected.refused, out)?;
    inspected.trial.as_ref().map_or(Ok(()), |trial| show_trial(trial, out))
}

fn show_trial(trial: &Trial, out: &mut Output) -> io::Result<()> {
    list("pools", &trial.pools.iter().map(PoolFacts::in_words).collect::<Vec<_>>(), out)?;
    let answer = match &trial.error {
        Some(error) => format!("none: {error}"),
        None => trial.answer.join(" and "),
    };
    list("first ADD", &[answer], out)?;
    let cost = |call: &Call| {
        let millis =
            clock::format_duration(Duration::from_micros(u64::try_from(call.microseconds).unwrap_or(u64::MAX)));
        format!(
            "{}: {} fuel, {} host calls, {} of memory, {millis}",
            call.export,
            call.fuel,
            call.host_calls,
            size(call.memory as u64)
        )
    };
    list("cost", &trial.calls.iter().map(cost).collect::<Vec<_>>(), out)?;
    list("note", &trial.notes, out)
}

fn rows(inspected: &Inspected) -> Vec<(&'static str, String)> {
    let mut rows = of_author(&inspected.metadata);
    // Where no tool wrote it down, what the tools are shows it.
    let is_stated = rows.iter().any(|(row, _)| *row == LANGUAGE);
    rows.extend(inspected.language.filter(|_| !is_stated).map(|language| (LANGUAGE, language.to_owned())));
    let yes = |is: bool, what: &str| if is { format!("yes: {what}") } else { "no".to_owned() };
    rows.extend([
        ("digest", inspected.digest.clone()),
        ("size", size(inspected.size)),
        (
            "contract",
            match &inspected.contract {
                Some(version) => format!("{PACKAGE} {version}"),
                None => format!("none: it imports and exports nothing of {PACKAGE}"),
            },
        ),
        ("compiled", yes_no(inspected.compiled)),
        ("release", yes(inspected.has_release, "DEL calls it")),
        ("adoption", yes(inspected.has_adoption, "adopted leases are offered to it")),
        ("cluster", yes(inspected.is_cluster, "it divides a range among nodes")),
    ]);
    rows
}

/// What the author states; rows that are empty are left out.
fn of_author(metadata: &Metadata) -> Vec<(&'static str, String)> {
    let stated = [
        ("name", &metadata.name),
        ("version", &metadata.version),
        ("description", &metadata.description),
        ("licence", &metadata.licences),
        ("authors", &metadata.authors),
        ("source", &metadata.source),
        ("homepage", &metadata.homepage),
        ("revision", &metadata.revision),
    ];
    let stated = stated.into_iter().filter_map(|(row, value)| Some((row, value.clone()?)));
    let tool = |ProducerFacts { name, version, .. }: &ProducerFacts| format!("{name} {version}").trim_end().to_owned();
    let of_role = |role| {
        let tools: Vec<String> = metadata.producers.iter().filter(|one| one.role == role).map(tool).collect();
        (!tools.is_empty()).then(|| tools.join(", "))
    };
    let made = [(LANGUAGE, "language"), ("made by", "processed-by"), ("SDK", "sdk")];
    stated.chain(made.into_iter().filter_map(|(row, role)| Some((row, of_role(role)?)))).collect()
}

fn list(row: &str, items: &[String], out: &mut Output) -> io::Result<()> {
    for (index, item) in items.iter().enumerate() {
        writeln!(out, "  {:<11}  {item}", if index == 0 { row } else { "" })?;
    }
    Ok(())
}
