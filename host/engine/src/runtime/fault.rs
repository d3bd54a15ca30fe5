//! What a policy did wrong, as a sentence that follows the policy's name: "policy sticky: it ran …".

use wasmtime::Trap;

use super::limits::{HANDLES, HOST_CALL_BYTES, Limits, MemoryLimitReached, TABLE_ELEMENTS, TableLimitReached};
use super::process::ProcessError;
use super::state::{LogLevel, LogLine};
use super::v0_2::convert::BadValue;
use super::view::ViewError;
use crate::store_error::StoreError;

/// Why a policy gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFault {
    /// It ran for too long, most likely in an endless loop.
    #[error("it used more than {limit} fuel (ipam.limits.fuel) and was stopped")]
    OutOfFuel { limit: u64 },
    #[error("it used more than {limit} bytes of memory (ipam.limits.memory) and was stopped")]
    OutOfMemory { limit: usize },
    /// It asked for too many elements of tables.
    #[error("it used more than {limit} elements of tables and was stopped; no limit of the configuration raises this")]
    TooManyElements { limit: usize },
    /// It is made of more instances, tables or memories than a policy may have.
    #[error("it is made of too many parts ({reason}); link them into fewer modules")]
    TooManyParts { reason: String },
    /// It keeps too many requests, leases, pools and answers.
    #[error("it kept more than {limit} handles of the host and was stopped; drop what is no longer needed")]
    TooManyHandles { limit: usize },
    #[error("it overflowed its stack and was stopped")]
    StackOverflow,
    #[error("it used up its budget of host calls and was stopped")]
    HostCalls,
    /// It passed more bytes in one call than the host takes.
    #[error("it passed more than {limit} bytes to the host in one call and was stopped")]
    PassedTooMuch { limit: usize },
    #[error("{what}")]
    BadValue { what: String },
    /// It crashed: a panic, an arithmetic error, an access out of its memory.
    #[error("it crashed ({trap}){}", and_last_words(.last_words.as_deref()))]
    Crashed {
        trap: String,
        /// The last error it logged, usually the panic's message.
        last_words: Option<String>,
    },
    /// Its component does not fit the contract. Found when it is installed; here if that was circumvented.
    #[error("it does not fit this version of the contract: {reason}")]
    Misfit { reason: String },
}

fn and_last_words(words: Option<&str>) -> String {
    words.map(|words| format!(", its last words: {words}")).unwrap_or_default()
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
    Policy(#[from] PolicyFault),
    /// The store failed while the policy read through it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system denies this process what every policy needs.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// The runtime's word for the bytes a call may pass. It exports no type for this and the next two; the tests hold the
/// texts.
const HOST_CALL_FUEL_TEXT: &str = "fuel allocated for hostcalls has been exhausted";
/// For a component of too many parts.
const PARTS_TEXT: &str = "resource limit exceeded: ";
const HANDLES_TEXT: &str = "store handle limit exceeded";

/// Names the cause of a failed call.
pub(crate) fn diagnose(error: wasmtime::Error, limits: Limits, lines: &[LogLine]) -> CallError {
    let error = match error.downcast::<ViewError>() {
        Ok(ViewError::Store(store)) => return CallError::Store(store),
        Ok(ViewError::Budget) => return PolicyFault::HostCalls.into(),
        Err(error) => error,
    };
    if let Some(bad) = error.downcast_ref::<BadValue>() {
        return PolicyFault::from(bad.clone()).into();
    }
    if let Some(MemoryLimitReached { limit }) = error.downcast_ref() {
        return PolicyFault::OutOfMemory { limit: *limit }.into();
    }
    if error.is::<TableLimitReached>() {
        return PolicyFault::TooManyElements { limit: TABLE_ELEMENTS }.into();
    }
    if let Some(process) = ProcessError::of(&error) {
        return process.into();
    }
    let root = error.root_cause().to_string();
    if let Some(fault) = of_text(&root) {
        return fault.into();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => PolicyFault::OutOfFuel { limit: limits.fuel },
        Some(Trap::StackOverflow) => PolicyFault::StackOverflow,
        Some(trap) => crashed(trap.to_string(), lines),
        None => crashed(root, lines),
    }
    .into()
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

fn crashed(trap: String, lines: &[LogLine]) -> PolicyFault {
    let last_words = lines.iter().rev().find(|line| line.level == LogLevel::Error).map(|line| line.message.clone());
    PolicyFault::Crashed { trap, last_words }
}
