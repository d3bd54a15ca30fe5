//! What a policy did wrong, as a sentence that follows its name and its export: "policy sticky: allocate: it ran …".

use std::fmt;

use wasmtime::Trap;

use super::backtrace::Backtrace;
use super::config::STACK;
use super::limits::{HANDLES, HOST_CALL_BYTES, Limits, MemoryLimitReached, TABLE_ELEMENTS, TableLimitReached};
use super::process::ProcessError;
use super::state::{LogLevel, LogLine};
use super::v0_2::convert::{BadValue, one_line};
use super::view::ViewError;
use crate::attachment::AwaitedFacts;
use crate::store_error::StoreError;

/// Lines of the policy's log that are shown with a fault, and bytes of each.
const LINES: usize = 3;
const LINE_BYTES: usize = 256;

/// How a panic's message begins, which the SDK and most languages' runtimes log.
const PANICKED: &str = "panicked at ";

/// A call that gave no usable answer: which one, why, and where in the policy's code.
#[derive(Debug)]
pub struct FailedCall {
    /// The export as the contract has it, such as `check-config`, or [`START`].
    pub export: &'static str,
    pub fault: PolicyFault,
    pub backtrace: Backtrace,
    /// What the policy logged last, the latest line at the end.
    pub last_lines: Vec<String>,
    /// Whether the policy was compiled to show lines of its source, where its component has them.
    pub(super) shows_lines: bool,
}

/// What runs before any export: the start functions of a component.
pub(super) const START: &str = "start";

impl std::error::Error for FailedCall {}

impl fmt::Display for FailedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.export, self.fault)?;
        if !self.backtrace.is_empty() {
            write!(f, ", in {}", self.backtrace)?;
        }
        for (index, line) in self.last_lines.iter().enumerate() {
            write!(f, "{} {line:?}", if index == 0 { "; it logged last:" } else { "," })?;
        }
        if self.hides_lines() {
            f.write_str("; reproduce it with `ginghamctl policy call`")?;
        }
        Ok(())
    }
}

/// Why a policy gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFault {
    /// It ran for too long, most likely in an endless loop.
    #[error("it used more than {limit} fuel (ipam.limits.fuel) and was stopped")]
    OutOfFuel { limit: u64 },
    #[error("it needed {wanted} bytes of memory, more than {limit} (ipam.limits.memory), and was stopped")]
    OutOfMemory { wanted: usize, limit: usize },
    /// It asked for too many elements of tables.
    #[error("it used more than {limit} elements of tables and was stopped; no limit of the configuration raises this")]
    TooManyElements { limit: usize },
    /// It is made of more instances, tables or memories than a policy may have.
    #[error("it is made of too many parts ({reason}); link them into fewer modules")]
    TooManyParts { reason: String },
    /// It keeps too many requests, leases, pools and answers.
    #[error("it kept more than {limit} handles of the host and was stopped; drop what is no longer needed")]
    TooManyHandles { limit: usize },
    #[error("it overflowed its stack of {limit} bytes and was stopped; most often a function calls itself without end")]
    StackOverflow { limit: usize },
    #[error("it used more than {limit} host calls (ipam.limits.hostCalls; 64 bytes count as a call) and was stopped")]
    HostCalls { limit: u64 },
    /// Its host calls had more to look through than one call of the policy may cause.
    #[error(
        "its host calls took more than {limit} steps through leases and ranges and it was stopped; no limit of the \
         configuration raises this"
    )]
    Steps { limit: u64 },
    /// It passed more bytes in one call than the host takes.
    #[error("it passed more than {limit} bytes to the host in one call and was stopped")]
    PassedTooMuch { limit: usize },
    #[error("{what}")]
    BadValue { what: String },
    /// An assertion of its own code failed.
    #[error("it {message}")]
    Panicked {
        /// "panicked at <FILE:LINE:COLUMN>: …", as it was logged.
        message: String,
    },
    /// It crashed: an arithmetic error, an access out of its memory, a panic that was not logged.
    #[error("it crashed ({trap})")]
    Crashed { trap: String },
    /// Its component does not fit the contract. Found when it is installed; here if that was circumvented.
    #[error("it does not fit this version of the contract: {reason}")]
    Misfit { reason: String },
}

impl FailedCall {
    /// Whether the same call shows more of it where lines are compiled in.
    fn hides_lines(&self) -> bool {
        let is_in_code = match self.fault {
            PolicyFault::TooManyParts { .. } | PolicyFault::Misfit { .. } => false,
            // The host found it in an answer, after the code had ended.
            PolicyFault::BadValue { .. } => !self.backtrace.is_empty(),
            _ => true,
        };
        is_in_code && !self.shows_lines
    }
}

impl From<BadValue> for PolicyFault {
    fn from(bad: BadValue) -> Self {
        Self::BadValue { what: bad.to_string() }
    }
}

/// A failed call: the policy's fault or the store's.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    Policy(Box<FailedCall>),
    /// The store failed while the policy read through it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system denies this process what every policy needs.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It read one of the facts that the request awaits.
    #[error("it reads a fact that is not known yet")]
    FactAwaited { fact: AwaitedFacts },
}

/// What is known of a call that failed beside the error.
pub(super) struct Circumstances<'a> {
    pub(super) export: &'static str,
    pub(super) limits: Limits,
    pub(super) lines: &'a [LogLine],
    pub(super) shows_lines: bool,
}

/// The runtime's word for the bytes a call may pass. It exports no type for this and the next two; the tests hold the
/// texts.
const HOST_CALL_FUEL_TEXT: &str = "fuel allocated for hostcalls has been exhausted";
/// For a component of too many parts.
const PARTS_TEXT: &str = "resource limit exceeded: ";
const HANDLES_TEXT: &str = "store handle limit exceeded";

/// Names the cause of a failed call.
pub(super) fn diagnose(error: wasmtime::Error, about: &Circumstances<'_>) -> CallError {
    let backtrace = Backtrace::of(&error);
    let error = match error.downcast::<ViewError>() {
        Ok(ViewError::Store(store)) => return CallError::Store(store),
        Ok(ViewError::HostCalls { limit }) => return about.failed(PolicyFault::HostCalls { limit }, backtrace),
        Ok(ViewError::FactAwaited { fact }) => return CallError::FactAwaited { fact },
        Ok(ViewError::Steps { limit }) => return about.failed(PolicyFault::Steps { limit }, backtrace),
        Err(error) => error,
    };
    match ProcessError::of(&error) {
        Some(process) => process.into(),
        None => about.failed(about.fault(&error), backtrace),
    }
}

impl Circumstances<'_> {
    pub(super) fn failed(&self, fault: PolicyFault, backtrace: Backtrace) -> CallError {
        let is_shown = |line: &&LogLine| !line.message.starts_with(PANICKED);
        let last: Vec<&LogLine> = self.lines.iter().rev().filter(is_shown).take(LINES).collect();
        let last_lines = last.iter().rev().map(|line| one_line(&line.message, LINE_BYTES)).collect();
        let (export, shows_lines) = (self.export, self.shows_lines);
        CallError::Policy(Box::new(FailedCall { export, fault, backtrace, last_lines, shows_lines }))
    }

    fn fault(&self, error: &wasmtime::Error) -> PolicyFault {
        if let Some(bad) = error.downcast_ref::<BadValue>() {
            return bad.clone().into();
        }
        if let Some(MemoryLimitReached { wanted, limit }) = error.downcast_ref() {
            return PolicyFault::OutOfMemory { wanted: *wanted, limit: *limit };
        }
        if error.is::<TableLimitReached>() {
            return PolicyFault::TooManyElements { limit: TABLE_ELEMENTS };
        }
        let root = error.root_cause().to_string();
        if let Some(fault) = of_text(&root) {
            return fault;
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => PolicyFault::OutOfFuel { limit: self.limits.fuel },
            Some(Trap::StackOverflow) => PolicyFault::StackOverflow { limit: STACK },
            Some(Trap::UnreachableCodeReached) => self.panic().unwrap_or(PolicyFault::Crashed { trap: root }),
            _ => PolicyFault::Crashed { trap: root },
        }
    }

    /// A panic ends in a trap that says nothing; what was logged last does.
    fn panic(&self) -> Option<PolicyFault> {
        let last = self.lines.iter().rev().find(|line| line.level == LogLevel::Error)?;
        let message = last.message.starts_with(PANICKED).then(|| last.message.clone())?;
        Some(PolicyFault::Panicked { message })
    }
}

fn of_text(root: &str) -> Option<PolicyFault> {
    if root.contains(HOST_CALL_FUEL_TEXT) {
        return Some(PolicyFault::PassedTooMuch { limit: HOST_CALL_BYTES });
    }
    if root.contains(HANDLES_TEXT) {
        return Some(PolicyFault::TooManyHandles { limit: HANDLES });
    }
    root.strip_prefix(PARTS_TEXT).map(|reason| PolicyFault::TooManyParts { reason: reason.to_owned() })
}
