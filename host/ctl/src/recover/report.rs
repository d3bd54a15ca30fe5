//! What was found, for people.

use std::io;

use super::findings::{Evidence, Findings, Found};
use crate::output::Output;
use crate::table::{Table, short};

pub(super) fn write(findings: &Findings, out: &mut Output) -> io::Result<()> {
    for fault in &findings.faults {
        writeln!(out, "warning: {fault}")?;
    }
    writeln!(out, "found {}", attachments(findings.found.len()))?;
    if !findings.found.is_empty() {
        out.table(&table(&findings.found))?;
    }
    if !findings.skipped.is_empty() {
        writeln!(out, "not recorded: {}", attachments(findings.skipped.len()))?;
        for (network, key, why) in &findings.skipped {
            writeln!(out, "  container {} of network {network}: {why}", short(&key.container_id))?;
        }
    }
    writeln!(
        out,
        "not recovered: addresses of `ginghamctl allocate`, and those of containers that another main plugin attached and \
         no cached result names; before the next ADD, allocate them again with --address, or stop those containers"
    )?;
    for unclear in &findings.unclear {
        writeln!(out, "unclear: {unclear}")?;
    }
    Ok(())
}

pub(super) fn attachments(count: usize) -> String {
    match count {
        1 => "1 attachment".to_owned(),
        _ => format!("{count} attachments"),
    }
}

fn table(found: &[Found]) -> Table<6> {
    let mut table = Table::new(["NETWORK", "ADDRESS", "CONTAINER", "INTERFACE", "POD", "FOUND BY"]);
    for found in found {
        let addresses: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
        let pod = match (&found.pod.namespace, &found.pod.name) {
            (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
            (None, Some(name)) => name.clone(),
            _ => "-".to_owned(),
        };
        table.row([
            found.network.clone(),
            if addresses.is_empty() { "-".to_owned() } else { addresses.join(",") },
            short(&found.key.container_id),
            found.key.interface.clone(),
            pod,
            evidence(found.evidence).to_owned(),
        ]);
    }
    table
}

fn evidence(evidence: Evidence) -> &'static str {
    match (evidence.link, evidence.result) {
        (true, true) => "link, cached result",
        (true, false) => "link",
        _ => "cached result",
    }
}
