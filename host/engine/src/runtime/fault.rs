//! What a policy did wrong, told in a sentence that follows the policy's name: "policy sticky: it ran …".

use wasmtime::Trap;

use super::convert::BadValue;
use super::limits::{Limits, MemoryLimitReached};
use super::state::{LogLevel, LogLine};
use super::view::ViewError;
use crate::store_error::StoreError;

/// Why a policy gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFault {
    /// It ran for too long, most likely for ever.
    #[error("it ran longer than its bound of {limit} fuel (host key `limits.fuel`) and was stopped")]
    OutOfFuel {
        /// The bound.
        limit: u64,
    },
    /// It asked for too much memory.
    #[error("it wanted more than its bound of {limit} bytes of memory (host key `limits.memory`) and was stopped")]
    OutOfMemory {
        /// The bound.
        limit: usize,
    },
    /// It called itself too deeply.
    #[error("it overflowed its stack and was stopped")]
    StackOverflow,
    /// It asked the host too much.
    #[error("it used up its budget of host calls and was stopped")]
    HostCalls,
    /// It passed more bytes in one call than the host takes.
    #[error("it passed more than {limit} bytes to the host at once and was stopped")]
    PassedTooMuch {
        /// The bound.
        limit: usize,
    },
    /// It passed something that means nothing.
    #[error("{what}")]
    BadValue {
        /// What it passed.
        what: String,
    },
    /// It crashed: a panic, an arithmetic error, an access out of its memory.
    #[error("it crashed ({trap}){}", and_last_words(.last_words.as_deref()))]
    Crashed {
        /// The runtime's word for it.
        trap: String,
        /// The last error it logged, usually the panic's message.
        last_words: Option<String>,
    },
    /// Its component does not fit the contract. Found when it is installed; here if that was circumvented.
    #[error("it does not fit this version of the contract: {reason}")]
    Misfit {
        /// The runtime's words.
        reason: String,
    },
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
    /// The policy's.
    #[error(transparent)]
    Policy(#[from] PolicyFault),
    /// The store failed while the policy read through it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The runtime's word for the bytes a call may pass. It exports no type for it; the tests hold this text.
const HOST_CALL_FUEL_TEXT: &str = "fuel allocated for hostcalls has been exhausted";

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
    let root = error.root_cause().to_string();
    if root.contains(HOST_CALL_FUEL_TEXT) {
        return PolicyFault::PassedTooMuch { limit: super::limits::HOST_CALL_BYTES }.into();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => PolicyFault::OutOfFuel { limit: limits.fuel },
        Some(Trap::StackOverflow) => PolicyFault::StackOverflow,
        Some(trap) => crashed(trap.to_string(), lines),
        None => crashed(root, lines),
    }
    .into()
}

fn crashed(trap: String, lines: &[LogLine]) -> PolicyFault {
    let last_words = lines.iter().rev().find(|line| line.level == LogLevel::Error).map(|line| line.message.clone());
    PolicyFault::Crashed { trap, last_words }
}
