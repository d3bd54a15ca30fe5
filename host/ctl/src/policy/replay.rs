//! `ginghamctl policy replay` and `compare`: a policy beside a history, and two policies beside each other.

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use gingham_engine::history::{History, HistoryError};
use gingham_engine::library::Library;
use gingham_untrusted::file::{self, FileError};
use gingham_workbench::check::Subject;
use gingham_workbench::compare;
use gingham_workbench::replay::{self, Divergence, Replay, ReplayError as WorkbenchError};
use serde::Serialize;

use super::component::{self, ComponentError};
use super::ipam_object::{self, IpamObjectError};
use crate::cli::{CompareArguments, ReplayArguments};
use crate::output::Output;
use crate::table::{Table, short};

/// The largest history that is read, in bytes.
const LARGEST: u64 = 1 << 30;

/// Differences that are shown to people.
const SHOWN: usize = 50;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("{different} of {} {} answered differently", counted(*.requests, "request"), if *.different == 1 { "is" } else { "are" })]
    Different { different: usize, requests: usize },
    #[error("cannot read the history: {0}")]
    Read(#[from] FileError),
    #[error("{}: {source}", .path.display())]
    History { path: PathBuf, source: HistoryError },
    #[error("{}: {source}", .path.display())]
    Replay { path: PathBuf, source: WorkbenchError },
    #[error(transparent)]
    Generated(#[from] WorkbenchError),
    #[error(transparent)]
    Component(#[from] ComponentError),
    #[error(transparent)]
    Config(#[from] IpamObjectError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

#[derive(Serialize)]
struct Report<'a> {
    requests: usize,
    ends: usize,
    verdicts: BTreeMap<&'static str, usize>,
    notes: &'a [String],
    differences: Vec<BTreeMap<&'static str, serde_json::Value>>,
}

/// `1 request`, `7 requests`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// What the two answers are called.
type Names = [&'static str; 2];

pub(super) fn run(arguments: &ReplayArguments, library: &Library, out: &mut Output) -> Result<(), ReplayError> {
    let history = read(&arguments.file)?;
    let ipam = arguments.config.as_deref().map(ipam_object::read).transpose()?;
    let policy = component::load(&arguments.component, library)?;
    let at = |source| ReplayError::Replay { path: arguments.file.clone(), source };
    let replay = replay::replay(&history, &policy, ipam.as_ref()).map_err(at)?;
    report(&replay, ["recorded", "answered"], arguments.format.json, out)
}

pub(super) fn compare(arguments: &CompareArguments, library: &Library, out: &mut Output) -> Result<(), ReplayError> {
    let history = arguments.file.as_deref().map(read).transpose()?;
    let ipam = arguments.config.as_deref().map(ipam_object::read).transpose()?;
    let first = component::load(&arguments.first, library)?;
    let second = component::load(&arguments.second, library)?;
    let replay = match (history, ipam) {
        (Some(history), ipam) => {
            let at = |source| ReplayError::Replay { path: arguments.file.clone().unwrap_or_default(), source };
            compare::compare(&history, [&first, &second], ipam.as_ref()).map_err(at)?
        }
        (None, ipam) => {
            let (node, node_labels) = (arguments.node.node.clone(), arguments.node.labels());
            let subject = Subject { node, node_labels, ..Subject::new(&first, ipam.into_iter().collect()) };
            compare::compare_generated(&subject, &second, arguments.steps, arguments.seed)?
        }
    };
    report(&replay, ["first", "second"], arguments.format.json, out)
}

fn read(path: &Path) -> Result<History, ReplayError> {
    let bytes = file::read_argument(path, LARGEST)?;
    let history = History::read(BufReader::new(bytes.as_slice()));
    history.map_err(|source| ReplayError::History { path: path.to_owned(), source })
}

fn report(replay: &Replay, names: Names, is_json: bool, out: &mut Output) -> Result<(), ReplayError> {
    if is_json {
        out.json(&json(replay, names))?;
    } else {
        show(replay, names, out)?;
    }
    match replay.differences() {
        0 => Ok(()),
        different => Err(ReplayError::Different { different, requests: replay.requests }),
    }
}

fn json(replay: &Replay, names: Names) -> Report<'_> {
    let difference = |it: &Divergence| {
        BTreeMap::from([
            ("request", it.request_number.into()),
            ("containerId", it.request.container_id.clone().into()),
            ("pod", pod(it).into()),
            ("verdict", it.verdict.name().into()),
            (names[0], it.first.clone().into()),
            (names[1], it.second.clone().into()),
        ])
    };
    Report {
        requests: replay.requests,
        ends: replay.ends,
        verdicts: replay.verdicts.iter().map(|(verdict, count)| (verdict.name(), *count)).collect(),
        notes: &replay.notes,
        differences: replay.divergences.iter().map(difference).collect(),
    }
}

fn pod(divergence: &Divergence) -> String {
    let pod = &divergence.request.pod;
    match (&pod.namespace, &pod.name) {
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
        _ => String::new(),
    }
}

fn show(replay: &Replay, names: Names, out: &mut Output) -> Result<(), ReplayError> {
    if let Some(first) = replay.divergences.first() {
        show_first(first, names, out)?;
    }
    if replay.divergences.len() > 1 {
        let [first, second] = names.map(str::to_uppercase);
        let mut table = Table::new(["REQUEST", "CONTAINER", "POD", &first, &second]);
        for it in replay.divergences.iter().take(SHOWN) {
            let container = short(&it.request.container_id);
            table.row([it.request_number.to_string(), container, pod(it), it.first.clone(), it.second.clone()]);
        }
        writeln!(out, "All differences:")?;
        out.table(&table)?;
        if replay.divergences.len() > SHOWN {
            writeln!(out, "and {} more; --json has {}", replay.differences() - SHOWN, replay.divergences.len())?;
        }
    }
    writeln!(out, "{}, {}", counted(replay.requests, "request"), counted(replay.ends, "end"))?;
    for (verdict, count) in &replay.verdicts {
        writeln!(out, "  {count:>8}  {}", verdict.name())?;
    }
    replay.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))?;
    Ok(())
}

fn show_first(first: &Divergence, names: Names, out: &mut Output) -> Result<(), ReplayError> {
    let request = &first.request;
    writeln!(out, "The first difference is request {}: {}", first.request_number, first.verdict.name())?;
    let mut row = |name: &str, value: &str| writeln!(out, "  {name:<9}  {value}");
    row("container", &format!("{} {}", request.container_id, request.interface))?;
    if !pod(first).is_empty() {
        row("pod", &pod(first))?;
    }
    let text = serde_json::to_string(request).unwrap_or_default();
    row("request", &text)?;
    row("config", &first.config)?;
    row(names[0], &first.first)?;
    row(names[1], &first.second)?;
    first.log.iter().try_for_each(|line| row("log", &line.message))?;
    Ok(())
}
