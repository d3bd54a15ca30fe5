//! How a network's requests ended, by the policy that decided them. The node agent compares two versions of a policy by them.

use serde::{Deserialize, Serialize};

/// Versions that a network counts for. The oldest goes first.
pub(crate) const MOST_COUNTED: usize = 8;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestEnd {
    /// The leases are committed. The fuel is that of all calls for it.
    Granted { fuel: u64 },
    /// By the policy.
    Refused,
    /// The policy crashed, was stopped, or answered what the guard rejects.
    Failed,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyCounters {
    /// When they started: milliseconds since the epoch.
    pub since: u64,
    pub granted: u64,
    pub refused: u64,
    pub failed: u64,
    /// Of all requests that were granted.
    pub fuel: u64,
}

impl PolicyCounters {
    pub fn count(&mut self, end: RequestEnd) {
        let counter = match end {
            RequestEnd::Granted { fuel } => {
                self.fuel = self.fuel.saturating_add(fuel);
                &mut self.granted
            }
            RequestEnd::Refused => &mut self.refused,
            RequestEnd::Failed => &mut self.failed,
        };
        *counter = counter.saturating_add(1);
    }

    pub fn requests(&self) -> u64 {
        self.granted.saturating_add(self.refused).saturating_add(self.failed)
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            since: self.since.min(other.since),
            granted: self.granted.saturating_add(other.granted),
            refused: self.refused.saturating_add(other.refused),
            failed: self.failed.saturating_add(other.failed),
            fuel: self.fuel.saturating_add(other.fuel),
        }
    }

    /// What came after these earlier ones.
    #[must_use]
    pub fn after(self, earlier: Self) -> Self {
        Self {
            since: earlier.since,
            granted: self.granted.saturating_sub(earlier.granted),
            refused: self.refused.saturating_sub(earlier.refused),
            failed: self.failed.saturating_sub(earlier.failed),
            fuel: self.fuel.saturating_sub(earlier.fuel),
        }
    }
}
