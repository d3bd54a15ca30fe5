//! A second policy that answers the same requests and decides nothing (`ipam.shadow`).
//!
//! It runs in the transaction of the first one, after the guard has accepted that one's answer, and sees the leases as that
//! one saw them. Its answer passes the guard, is compared, counted and dropped. Its state is kept apart from the first
//! policy's, so that a policy with state can be tried; the reservations it makes are dropped, because they would keep
//! addresses from the policy that decides. It is prepared as the first one is, which carries it: `prepared` and this file know each
//! other.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::{IpamError, call_error, refusal_text};
use super::prepared::{Prepared, prepare};
use crate::attachment::{Answer, Context, Ended, Request};
use crate::guard::{self, GuardError};
use crate::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use crate::network_view::NetworkView;
use crate::occupied::Occupied;
use crate::ranges::RangeSet;
use crate::runtime::{CallError, LogLevel, LogLine, Policy};
use crate::settings::Settings;
use crate::store_error::StoreError;
use gingham_ownership::grid::BlockMap;

/// Where the counters are, beside the keys of the shadow's state, which begin with `=`.
const COUNTERS: &str = "counters";

/// Bytes of a difference that are kept for operators.
const LAST_BYTES: usize = 512;

/// A network's shadow: loaded, or why it cannot be.
pub struct ShadowPolicy {
    /// NAME@sha256:HEX, or what the configuration names.
    pub title: String,
    /// With the settings of the first policy, its own configuration and its own limits.
    pub loaded: Result<(Policy, Settings), String>,
}

/// What came of a shadow's answers. Kept in the store, in the transactions of the leases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShadowCounters {
    /// NAME@sha256:HEX. With another one the counters start again.
    pub policy: String,
    /// When they started: milliseconds since the epoch.
    pub since: u64,
    /// The same addresses, routes and name resolution.
    pub agreed: u64,
    pub differed: u64,
    /// The shadow refused what the first policy granted.
    pub refused: u64,
    /// The guard rejected its answer.
    pub rejected: u64,
    /// It could not be loaded, crashed, or was stopped.
    pub failed: u64,
    /// Of all its calls that answered or refused.
    pub fuel: u64,
    /// The last answer that was not the same, as a sentence.
    pub last: Option<String>,
}

impl ShadowCounters {
    /// None if the network never had a shadow.
    pub fn read(ledger: &impl LedgerQueries) -> Result<Option<Self>, StoreError> {
        let bytes = ledger.shadow_value(COUNTERS)?;
        // What another version wrote and this one cannot read counts as nothing.
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn write<L: Ledger>(&self, ledger: &mut L) -> Result<(), StoreError> {
        let json = serde_json::to_vec(self).unwrap_or_default();
        ledger.put_shadow_value(COUNTERS, Some(&json))
    }

    /// Those of this shadow. State of a policy of another name is dropped.
    fn of<L: Ledger>(ledger: &mut L, title: &str, now: u64) -> Result<Self, StoreError> {
        let known = Self::read(ledger)?.unwrap_or_default();
        if known.policy == title {
            return Ok(known);
        }
        let name = |title: &str| title.split('@').next().unwrap_or_default().to_owned();
        if name(&known.policy) != name(title) {
            for key in ledger.shadow_keys("", None, usize::MAX)? {
                ledger.put_shadow_value(&key, None)?;
            }
        }
        Ok(Self { policy: title.to_owned(), since: now, ..Self::default() })
    }

    fn count(&mut self, comparison: &Comparison, fuel: u64) {
        self.fuel = self.fuel.saturating_add(fuel);
        let counter = match comparison {
            Comparison::Agreed => &mut self.agreed,
            Comparison::Differed(_) => &mut self.differed,
            Comparison::Refused(_) => &mut self.refused,
            Comparison::Rejected(_) => &mut self.rejected,
            Comparison::Failed(_) => &mut self.failed,
        };
        *counter = counter.saturating_add(1);
    }
}

/// What a shadow made of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShadowAnswer {
    /// NAME@sha256:HEX.
    pub policy: String,
    pub comparison: Comparison,
}

/// How a shadow's answer compares with the answer that was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Comparison {
    Agreed,
    Differed(Answer),
    Refused(String),
    Rejected(String),
    Failed(String),
}

/// A shadow with a configuration that it has checked, or why there is none.
pub struct Shadow<'a> {
    title: &'a str,
    prepared: Result<Box<Prepared<'a>>, String>,
}

impl<'a> Shadow<'a> {
    /// Lets the shadow check its configuration, while no lock is held. What is wrong is counted later.
    pub fn prepare(shadow: &'a ShadowPolicy, context: &Context, log: &mut Vec<LogLine>) -> Self {
        let prepared = match &shadow.loaded {
            Err(fault) => Err(fault.clone()),
            Ok((policy, settings)) => {
                let mut lines = Vec::new();
                let prepared = prepare(policy, settings, context, &mut lines);
                log.extend(lines.iter().map(|line| of_shadow(&shadow.title, line)));
                prepared.map(Box::new).map_err(|error| fault_text(&error))
            }
        };
        Self { title: &shadow.title, prepared }
    }

    /// Why it cannot answer, if it cannot.
    pub fn fault(&self) -> Option<&str> {
        self.prepared.as_ref().err().map(String::as_str)
    }

    pub(super) fn restrict(self, blocks: &RangeSet, picture: Arc<BlockMap>) -> Self {
        let prepared = self.prepared.map(|prepared| Box::new(prepared.restrict(blocks, picture)));
        Self { prepared, ..self }
    }
}

/// What the first policy was asked, and what it answered.
pub(super) struct Answered<'r> {
    pub(super) request: &'r Request,
    pub(super) record: &'r AttachmentRecord,
    pub(super) answer: &'r Answer,
    /// Cooling addresses that counted as free.
    pub(super) free_early: BTreeSet<IpAddr>,
}

impl Shadow<'_> {
    /// Asks the shadow, counts, and hands the ledger back. Nothing of it changes what the first policy did.
    ///
    /// # Errors
    /// If the store fails, or if the shadow reads a fact that the request awaits.
    pub(super) fn compare<L: Ledger + 'static>(
        self,
        mut ledger: L,
        answered: &Answered<'_>,
        network: &str,
        log: &mut Vec<LogLine>,
    ) -> Result<(L, ShadowAnswer), IpamError> {
        let mut counters = ShadowCounters::of(&mut ledger, self.title, answered.request.now)?;
        let mut lines = Vec::new();
        let (mut ledger, comparison, fuel) = match self.prepared {
            Err(fault) => (ledger, Comparison::Failed(fault), 0),
            Ok(prepared) => prepared.ask_as_shadow(ledger, answered, &mut lines)?,
        };
        log.extend(lines.iter().map(|line| of_shadow(self.title, line)));
        counters.count(&comparison, fuel);
        if let Some((level, sentence)) = sentence(&comparison, answered) {
            let mut message = format!("shadow {}: {sentence}", self.title);
            log.push(LogLine { level, message: format!("network {network}: {message}") });
            message.truncate(message.floor_char_boundary(LAST_BYTES));
            counters.last = Some(message);
        }
        counters.write(&mut ledger)?;
        Ok((ledger, ShadowAnswer { policy: self.title.to_owned(), comparison }))
    }
}

impl Prepared<'_> {
    fn ask_as_shadow<L: Ledger + 'static>(
        mut self,
        ledger: L,
        answered: &Answered<'_>,
        lines: &mut Vec<LogLine>,
    ) -> Result<(L, Comparison, u64), IpamError> {
        let Answered { request, record, answer: first, free_early } = answered;
        let occupied = Occupied::of(&ledger, &self.pools, request, record)?;
        let view = NetworkView::new(ledger, self.pools.clone(), self.settings.exclude.clone())?;
        let mut view = view.at(request.now).requested_by(&request.key, &request.pod).of_shadow()?;
        view.occupy(occupied);
        free_early.iter().for_each(|address| view.count_as_free(*address));
        self.session.show(view);
        let answer = self.session.allocate(&self.settings.policy_config, request);
        lines.append(&mut self.session.take_log());
        let fuel = self.session.usage().fuel;
        let mut view: NetworkView<L> = self.session.hide().ok_or(StoreError::Lost)?;
        let answer = match answer {
            Err(error @ (CallError::Store(_) | CallError::FactAwaited { .. })) => {
                return Err(call_error(self.policy, error));
            }
            Err(error) => {
                let fault = fault_text(&call_error(self.policy, error));
                return Ok((view.into_ledger_without_changes(), Comparison::Failed(fault), 0));
            }
            Ok(Err(refusal)) => {
                return Ok((view.into_ledger_without_changes(), Comparison::Refused(refusal_text(&refusal)), fuel));
            }
            Ok(Ok(answer)) => answer,
        };
        match guard::check(&answer, request, &mut view) {
            Err(GuardError::Store(store)) => Err(store.into()),
            Err(error) => Ok((view.into_ledger_without_changes(), Comparison::Rejected(error.to_string()), fuel)),
            Ok(()) => Ok((view.into_ledger_with_shadow_state()?, compared(first, answer), fuel)),
        }
    }
}

/// Calls the shadow's release hook, which sees its own state. A failure is counted and logged.
pub(super) fn release<L: Ledger + 'static>(
    mut ledger: L,
    shadow: &ShadowPolicy,
    ended: &Ended,
    context: &Context,
    log: &mut Vec<LogLine>,
) -> Result<L, StoreError> {
    let Ok((policy, settings)) = &shadow.loaded else { return Ok(ledger) };
    if !policy.has_release() {
        return Ok(ledger);
    }
    let mut counters = ShadowCounters::of(&mut ledger, &shadow.title, ended.now)?;
    let mut lines = Vec::new();
    let (mut ledger, failed) = match prepare(policy, settings, context, &mut lines) {
        Err(IpamError::Store(store)) => return Err(store),
        Err(error) => (ledger, Some(fault_text(&error))),
        Ok(mut prepared) => {
            let view = NetworkView::new(ledger, prepared.pools.clone(), settings.exclude.clone())?;
            prepared.session.show(view.at(ended.now).of_shadow()?);
            let released = prepared.session.release(&settings.policy_config, ended);
            lines.append(&mut prepared.session.take_log());
            let view: NetworkView<L> = prepared.session.hide().ok_or(StoreError::Lost)?;
            match released {
                Ok(()) => (view.into_ledger_with_shadow_state()?, None),
                Err(CallError::Store(store)) => return Err(store),
                Err(error) => (view.into_ledger_without_changes(), Some(fault_text(&call_error(policy, error)))),
            }
        }
    };
    log.extend(lines.iter().map(|line| of_shadow(&shadow.title, line)));
    if let Some(fault) = failed {
        let message = format!("shadow {}: its release hook failed: {fault}", shadow.title);
        log.push(LogLine { level: LogLevel::Warn, message: message.clone() });
        counters.count(&Comparison::Failed(fault), 0);
        counters.last = Some(message);
    }
    counters.write(&mut ledger)?;
    Ok(ledger)
}

fn compared(first: &Answer, answer: Answer) -> Comparison {
    let is_same = (&first.addresses, &first.routes, &first.dns) == (&answer.addresses, &answer.routes, &answer.dns);
    if is_same { Comparison::Agreed } else { Comparison::Differed(answer) }
}

fn sentence(comparison: &Comparison, answered: &Answered<'_>) -> Option<(LogLevel, String)> {
    let list = |answer: &Answer| {
        answer.addresses.iter().map(|assigned| assigned.address.to_string()).collect::<Vec<_>>().join(" and ")
    };
    let (container, given) = (&answered.request.key.container_id, list(answered.answer));
    let instead = format!("container {container} got {given}");
    Some(match comparison {
        Comparison::Agreed => return None,
        Comparison::Differed(answer) if list(answer) == given => {
            (LogLevel::Info, format!("{instead}, and the shadow would add other gateways, routes or DNS"))
        }
        Comparison::Differed(answer) => {
            (LogLevel::Info, format!("{instead}, and the shadow would give {}", list(answer)))
        }
        Comparison::Refused(text) => (LogLevel::Info, format!("{instead}, and the shadow would refuse: {text}")),
        Comparison::Rejected(text) => {
            (LogLevel::Warn, format!("{instead}, and the guard rejected the shadow's answer: {text}"))
        }
        Comparison::Failed(text) => (LogLevel::Warn, format!("{instead}, and the shadow failed: {text}")),
    })
}

/// A shadow's limits and keys are in `ipam.shadow`.
fn fault_text(error: &IpamError) -> String {
    error.to_string().replace("ipam.limits.", "ipam.shadow.limits.")
}

fn of_shadow(title: &str, line: &LogLine) -> LogLine {
    LogLine { message: format!("shadow {title}: {}", line.message), level: line.level }
}
