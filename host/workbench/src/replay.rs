//! `ginghamctl policy replay`: does a policy answer as a history of a node has it?
//!
//! Each request is put to the policy in the situation that it was made in. The leases are those of the history, whatever
//! the policy answers; what it keeps in its state is its own.

pub(crate) mod player;

use std::collections::BTreeMap;

use gingham_engine::history::{Event, History, Line, Outcome, RecordedRequest, Refused, Requested};
use gingham_engine::ipam::{IpamError, IpamResult};
use gingham_engine::runtime::{LogLine, Policy};
use gingham_engine::store::StoreError;
use serde_json::Value;

use crate::ScenarioError;
use crate::check::CheckError;
use crate::report::answer_line;
use player::Player;

/// A history that cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the history begins with no configuration; record it again with `ginghamctl policy record`")]
    NoStart,
    #[error("the value of the policy's state {key:?} is not a list of bytes in hexadecimal digits")]
    State { key: String },
    #[error("line {line} of the history: {source}")]
    Line { line: usize, source: Box<ReplayError> },
    #[error(transparent)]
    Generated(#[from] CheckError),
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error(transparent)]
    Ipam(#[from] IpamError),
    #[error("the history has {what} twice: use one history whole, as `ginghamctl policy record` writes it")]
    Twice { what: String },
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ReplayError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { what } => Self::Twice { what },
            error => Self::Store(error),
        }
    }
}

/// Differences that are kept to be shown.
const MOST_DIVERGENCES: usize = 10_000;

/// How an answer is beside another one to the same request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Same,
    /// The same answer for another reason, or the same kind of refusal in other words.
    OtherWords,
    OtherAddresses,
    /// The same addresses with other gateways, prefix lengths, routes or name resolution.
    OtherRoutes,
    /// One was granted, the other was not.
    OtherOutcome,
    OtherRefusal,
    /// The node failed for a reason that may not be the policy's.
    NotComparable,
}

impl Verdict {
    /// Whether the container is as before.
    pub fn is_same(self) -> bool {
        matches!(self, Self::Same | Self::OtherWords | Self::NotComparable)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::OtherWords => "other words",
            Self::OtherAddresses => "other addresses",
            Self::OtherRoutes => "other routes, gateways or name servers",
            Self::OtherOutcome => "granted instead of refused, or refused instead of granted",
            Self::OtherRefusal => "another kind of refusal",
            Self::NotComparable => "not comparable",
        }
    }
}

/// A request that was answered differently.
#[derive(Debug, Clone)]
pub struct Divergence {
    /// Which request it is, from 1.
    pub request_number: usize,
    pub request: RecordedRequest,
    pub config: String,
    pub verdict: Verdict,
    /// The two answers, or refusals.
    pub first: String,
    pub second: String,
    /// Of the second policy.
    pub log: Vec<LogLine>,
}

/// What came of a history.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    pub requests: usize,
    pub ends: usize,
    pub verdicts: BTreeMap<Verdict, usize>,
    /// The differences in order, at most 10,000 of them.
    pub divergences: Vec<Divergence>,
    /// What makes the comparison less than complete.
    pub notes: Vec<String>,
}

impl Replay {
    /// Requests that a container would notice.
    pub fn differences(&self) -> usize {
        self.verdicts.iter().filter(|(verdict, _)| !verdict.is_same()).map(|(_, count)| count).sum()
    }

    /// Counts a request, and keeps what is different about it.
    pub(crate) fn note(&mut self, verdict: Verdict, divergence: impl FnOnce() -> Divergence) {
        self.requests += 1;
        *self.verdicts.entry(verdict).or_default() += 1;
        if !verdict.is_same() && self.divergences.len() < MOST_DIVERGENCES {
            self.divergences.push(Divergence { request_number: self.requests, ..divergence() });
        }
    }
}

/// Replays a history. `ipam` is used instead of the recorded configurations.
pub fn replay(history: &History, policy: &Policy, ipam: Option<&Value>) -> Result<Replay, ReplayError> {
    let mut player = Player::new(policy, ipam);
    let mut replay = Replay { notes: notes(history), ..Replay::default() };
    for (index, line) in history.lines.iter().enumerate() {
        step(&mut player, history, line, &mut replay)
            .map_err(|source| ReplayError::Line { line: history.number(index), source: Box::new(source) })?;
    }
    replay.notes.extend(player.unseen_ends_note());
    Ok(replay)
}

fn step(player: &mut Player, history: &History, line: &Line, replay: &mut Replay) -> Result<(), ReplayError> {
    let Event::Request(requested) = &line.event else { return other_step(player, line, replay) };
    let asked = player.ask(requested)?;
    let verdict = verdict_of_recorded(&requested.outcome, asked.result());
    let texts = (verdict, outcome_text(&requested.outcome), result_text(asked.result()), asked.run.log.as_slice());
    replay.note(verdict, || divergence(history, line, requested, texts));
    player.settle(asked, &requested.outcome)
}

/// Everything but a request.
pub(crate) fn other_step(player: &mut Player, line: &Line, replay: &mut Replay) -> Result<(), ReplayError> {
    match &line.event {
        Event::Start(start) => player.start(start),
        Event::Snapshot(snapshot) => player.snapshot(snapshot),
        Event::End(ended) => {
            replay.ends += 1;
            player.end(ended)
        }
        Event::EndReservations(addresses) => player.end_reservations(addresses),
        Event::Request(_) => Ok(()),
    }
}

pub(crate) fn divergence(
    history: &History,
    line: &Line,
    requested: &Requested,
    (verdict, first, second, log): (Verdict, String, String, &[LogLine]),
) -> Divergence {
    let config = history.start(&line.config).map(|start| Value::Object(start.ipam.clone()).to_string());
    let (request, config) = (requested.request.clone(), config.unwrap_or_default());
    Divergence { request_number: 0, request, config, verdict, first, second, log: log.to_vec() }
}

/// What makes a history less than what happened.
pub(crate) fn notes(history: &History) -> Vec<String> {
    let mut notes = Vec::new();
    let any = |wanted: fn(&Event) -> bool| history.lines.iter().any(|line| wanted(&line.event));
    if history.is_torn {
        notes.push("the last line is not complete and was left out".to_owned());
    }
    if any(|event| matches!(event, Event::Snapshot(snapshot) if !snapshot.complete)) {
        notes.push(
            "a snapshot of the leases and the policy's state is not complete: differences may follow from that"
                .to_owned(),
        );
    }
    if any(|event| matches!(event, Event::Start(start) if start.hashed_personal_data)) {
        notes.push("names of pods are pseudonyms: a policy that reads them may answer differently".to_owned());
    }
    if !any(|event| matches!(event, Event::Request(_))) {
        notes.push("the history has no request".to_owned());
    }
    notes
}

fn verdict_of_recorded(outcome: &Outcome, result: &Result<IpamResult, IpamError>) -> Verdict {
    match (outcome, result) {
        (Outcome::Failed { .. }, _) => Verdict::NotComparable,
        (Outcome::Granted(recorded), Ok(result)) => verdict_of_answers(recorded, &result.answer),
        (Outcome::Refused(recorded), Err(IpamError::Refused { refusal, .. })) => {
            verdict_of_refusals(recorded, &Refused::from(refusal))
        }
        (Outcome::Granted(_), Err(_)) | (Outcome::Refused(_), _) => Verdict::OtherOutcome,
    }
}

pub(crate) fn verdict_of_results(
    first: &Result<IpamResult, IpamError>,
    second: &Result<IpamResult, IpamError>,
) -> Verdict {
    match (first, second) {
        (Ok(first), Ok(second)) => verdict_of_answers(&first.answer, &second.answer),
        (Err(IpamError::Refused { refusal: first, .. }), Err(IpamError::Refused { refusal: second, .. })) => {
            verdict_of_refusals(&Refused::from(first), &Refused::from(second))
        }
        (Err(first), Err(second)) if first.to_string() == second.to_string() => Verdict::Same,
        (Err(_), Err(_)) => Verdict::OtherRefusal,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => Verdict::OtherOutcome,
    }
}

fn verdict_of_answers(
    first: &gingham_engine::attachment::Answer,
    second: &gingham_engine::attachment::Answer,
) -> Verdict {
    let addresses = |answer: &gingham_engine::attachment::Answer| {
        answer.addresses.iter().map(|assigned| assigned.address.addr()).collect::<Vec<_>>()
    };
    if first == second {
        Verdict::Same
    } else if addresses(first) != addresses(second) {
        Verdict::OtherAddresses
    } else if (&first.addresses, &first.routes, &first.dns) == (&second.addresses, &second.routes, &second.dns) {
        Verdict::OtherWords
    } else {
        Verdict::OtherRoutes
    }
}

fn verdict_of_refusals(first: &Refused, second: &Refused) -> Verdict {
    match (first == second, first.kind == second.kind) {
        (true, _) => Verdict::Same,
        (false, true) => Verdict::OtherWords,
        (false, false) => Verdict::OtherRefusal,
    }
}

fn outcome_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Granted(answer) => answer_line(answer),
        Outcome::Refused(refused) => format!("refused: {}", refused.message),
        Outcome::Failed { message } => format!("failed: {message}"),
    }
}

pub(crate) fn result_text(result: &Result<IpamResult, IpamError>) -> String {
    match result {
        Ok(result) => answer_line(&result.answer),
        Err(IpamError::Refused { refusal, .. }) => format!("refused: {}", Refused::from(refusal).message),
        Err(error) => format!("failed: {error}"),
    }
}
