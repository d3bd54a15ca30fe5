//! What came of a case.

use std::time::Duration;

use gingham_engine::runtime::Usage;
use gingham_engine::unknown_keys::UnknownKey;

/// A case that was run.
#[derive(Debug, Clone)]
pub struct CaseOutcome {
    pub name: String,
    /// The line of the file where it begins, counted from 1.
    pub line: usize,
    /// The steps that were done.
    pub steps: usize,
    /// What its steps cost together: the sums of fuel and host calls, and the most memory.
    pub usage: Usage,
    pub elapsed: Duration,
    /// Keys of its configurations that the policy does not know.
    pub unknown_keys: Vec<UnknownKey>,
    /// None if all was as expected.
    pub failure: Option<Failure>,
}

/// A step after which the case could not go on.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its number, counted from 1; 0 before the first one.
    pub step: usize,
    /// The line of the file, counted from 1.
    pub line: usize,
    /// `add web-1`.
    pub action: String,
    pub mismatches: Vec<Mismatch>,
    /// What happened, for people: name and text of each line.
    pub report: Vec<(String, String)>,
}

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The key of the expectation, or what is expected of every policy.
    pub what: String,
    pub expected: String,
    pub got: String,
}
