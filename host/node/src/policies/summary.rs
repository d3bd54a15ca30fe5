//! What all nodes together make of an object: its status. Pure, of what members report.

use std::time::Duration;

use super::object::{AllocationPolicy, Condition, Invalid, Metadata, SERVING, Status};
use super::report::{Report, Reports, State};
use super::turn::STOPPED;

/// All agents see when an object's status is another: the first by name writes it, the others in case it does not.
const RANK: Duration = Duration::from_secs(2);
const LAST_RANK: u32 = 10;

/// Between two writes of a status in which only numbers changed: each is an event on all nodes.
const NUMBERS: Duration = Duration::from_secs(5);

/// Type, status, reason and message.
/// No text is empty: API servers take that for null.
type Verdict = (&'static str, &'static str, &'static str, String);

pub(super) fn of_invalid(object: &Invalid, time: &str) -> Status {
    let verdicts = [(SERVING, "False", "Invalid", object.reason.clone())];
    status((&object.metadata, &object.status), (object.status.ready, object.status.total), &verdicts, time)
}

pub(super) fn of(policy: &AllocationPolicy, reports: &Reports, time: &str) -> Status {
    let wanted = policy.spec.digest.to_string();
    let current = |report: &&Report| report.wanted == wanted;
    let nodes: Vec<(&str, Option<&Report>)> =
        reports.iter().map(|(node, report)| (node.as_str(), report.as_ref().filter(current))).collect();
    let is_excluded = |report: Option<&Report>| report.is_some_and(|report| report.state == State::NotSelected);
    let selected: Vec<_> = nodes.into_iter().filter(|(_, report)| !is_excluded(*report)).collect();
    let ready = |report: Option<&Report>| report.is_some_and(|report| report.state == State::Serving);
    let ready = selected.iter().filter(|(_, report)| ready(*report)).count();
    let verdicts =
        [verified(&selected), compiled(&selected), halted(&selected), serving(policy, reports, &selected, ready)];
    status((&policy.metadata, &policy.status), (ready, selected.len()), &verdicts, time)
}

/// How long an agent leaves the write to others.
pub(super) fn delay(node: &str, reports: &Reports, present: &Status, wanted: &Status) -> Duration {
    let rank = reports.keys().position(|one| one == node).unwrap_or(reports.len());
    let rank = u32::try_from(rank).unwrap_or(LAST_RANK).min(LAST_RANK);
    let verdicts = |status: &Status| -> Vec<(String, String, String)> {
        let each = status.conditions.iter();
        each.map(|one| (one.kind.clone(), one.status.clone(), one.reason.clone())).collect()
    };
    let is_news = verdicts(present) != verdicts(wanted) || present.observed_generation != wanted.observed_generation;
    RANK * rank + if is_news { Duration::ZERO } else { NUMBERS }
}

fn status(
    (metadata, earlier): (&Metadata, &Status),
    (ready, total): (usize, usize),
    verdicts: &[Verdict],
    time: &str,
) -> Status {
    let generation = metadata.generation;
    let conditions = verdicts.iter().map(|(kind, status, reason, message)| {
        let earlier = earlier.conditions.iter().find(|earlier| earlier.kind == *kind && earlier.status == *status);
        Condition {
            kind: (*kind).to_owned(),
            status: (*status).to_owned(),
            observed_generation: generation,
            last_transition_time: earlier.map_or(time, |earlier| earlier.last_transition_time.as_str()).to_owned(),
            reason: (*reason).to_owned(),
            message: message.clone(),
        }
    });
    Status { observed_generation: generation, ready, total, conditions: conditions.collect() }
}

type Selected<'a> = [(&'a str, Option<&'a Report>)];

fn find<'a>(selected: &Selected<'a>, is: impl Fn(&Report) -> bool) -> Option<(&'a str, &'a Report)> {
    selected.iter().filter_map(|(node, report)| Some((*node, (*report)?))).find(|(_, report)| is(report))
}

fn sentence((node, report): (&str, &Report)) -> String {
    format!("node {node}: {}", report.message)
}

fn verified(selected: &Selected<'_>) -> Verdict {
    const REASONS: [&str; 3] = ["FetchFailed", "DigestDiffers", "Untrusted"];
    let failed = find(selected, |report| report.state == State::Failed && REASONS.contains(&&*report.reason));
    match failed {
        Some(found) => ("Verified", "False", "NodeFailed", sentence(found)),
        None if find(selected, has_artefact).is_some() => {
            ("Verified", "True", "DigestAgrees", "the component has the digest, and the nodes trust it".to_owned())
        }
        None => ("Verified", "Unknown", "NotYet", "no node has finished".to_owned()),
    }
}

fn has_artefact(report: &Report) -> bool {
    report.artefact.is_some() && report.digest.as_ref() == Some(&report.wanted)
}

fn compiled(selected: &Selected<'_>) -> Verdict {
    let failed = |report: &Report| {
        report.state == State::Failed
            && ["CompileFailed", "CompilerFailed", STOPPED, "ArtefactDiffers"].contains(&&*report.reason)
    };
    if let Some(found) = find(selected, failed) {
        return ("Compiled", "False", "NodeFailed", sentence(found));
    }
    let made: Vec<(&str, &Report)> = selected
        .iter()
        .filter_map(|(node, report)| Some((*node, report.filter(|report| has_artefact(report))?)))
        .collect();
    let Some((first, one)) = made.first() else {
        return ("Compiled", "Unknown", "NotYet", "no node has finished".to_owned());
    };
    // Of each compiler the first one's counts.
    let differs = made.iter().find(|(_, other)| {
        let same = made.iter().find(|(_, known)| known.compiler == other.compiler);
        same.is_some_and(|(_, known)| known.artefact != other.artefact)
    });
    match differs {
        Some((node, _)) => {
            let text = format!(
                "node {node} made other machine code of the component than the others with its compiler: it is not what it \
                 seems; examine it, and reinstall it"
            );
            ("Compiled", "False", "ArtefactsDiffer", text)
        }
        None => {
            let text = format!("machine code {} on {first}", one.artefact.as_deref().unwrap_or_default());
            ("Compiled", "True", "ArtefactsAgree", text)
        }
    }
}

fn halted(selected: &Selected<'_>) -> Verdict {
    match find(selected, |report| report.state == State::Halted) {
        Some((node, report)) => {
            let reason = match &*report.reason {
                "RefusalsRose" => "RefusalsRose",
                "FuelRose" => "FuelRose",
                "RequestsRefused" => "RequestsRefused",
                _ => "FaultsRose",
            };
            ("Halted", "True", reason, sentence((node, report)))
        }
        None => ("Halted", "False", "NotWorse", "no node does worse than before".to_owned()),
    }
}

fn serving(policy: &AllocationPolicy, reports: &Reports, selected: &Selected<'_>, ready: usize) -> Verdict {
    if let Some(found) = find(selected, |report| report.state == State::Halted) {
        return (SERVING, "False", "Halted", sentence(found));
    }
    if let Some(found) = find(selected, |report| report.state == State::Failed) {
        return (SERVING, "False", "NodeFailed", sentence(found));
    }
    if reports.is_empty() {
        let text = "no node is a member of a network, so none reports: look at kubectl get gmem";
        return (SERVING, "False", "NoMembers", text.to_owned());
    }
    let generation = policy.metadata.generation;
    let silent = reports
        .iter()
        .find(|(_, report)| report.as_ref().is_none_or(|report| report.observed_generation != generation));
    let total = selected.len();
    if let Some((node, _)) = silent {
        let text = format!(
            "{ready} of {total} nodes serve it; node {node} has not reported: if that stays, look at its agent, or delete its \
             Node object if it is gone"
        );
        return (SERVING, "False", "RollingOut", text);
    }
    match total {
        0 => {
            let text = "rollout.nodeSelector selects no node that is a member of a network; correct it, or label nodes";
            (SERVING, "False", "NoNodeSelected", text.to_owned())
        }
        _ if ready == total => (SERVING, "True", "AllNodes", format!("all {total} nodes serve it")),
        _ => (SERVING, "False", "RollingOut", format!("{ready} of {total} nodes serve it")),
    }
}
