//! What a run has done, in numbers.

use std::fmt;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub steps: u64,
    /// Containers that got an address.
    pub adds: u64,
    /// Containers for which the node's blocks had none: it had to claim first.
    pub adds_without_room: u64,
    pub dels: u64,
    pub started: u64,
    pub calls: u64,
    pub joins: u64,
    pub claims: u64,
    /// Of these, of blocks of nodes that were taken over or have left.
    pub claims_of_the_dead: u64,
    /// Claims for which there was no block.
    pub exhausted: u64,
    pub released: u64,
    pub takeovers: u64,
}

impl std::ops::Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            steps: self.steps - before.steps,
            adds: self.adds - before.adds,
            adds_without_room: self.adds_without_room - before.adds_without_room,
            dels: self.dels - before.dels,
            started: self.started - before.started,
            calls: self.calls - before.calls,
            joins: self.joins - before.joins,
            claims: self.claims - before.claims,
            claims_of_the_dead: self.claims_of_the_dead - before.claims_of_the_dead,
            exhausted: self.exhausted - before.exhausted,
            released: self.released - before.released,
            takeovers: self.takeovers - before.takeovers,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "steps             {:>10}", self.steps)?;
        writeln!(f, "ADDs              {:>10}  and {} that had to claim first", self.adds, self.adds_without_room)?;
        writeln!(f, "DELs              {:>10}", self.dels)?;
        writeln!(f, "joins             {:>10}", self.joins)?;
        writeln!(f, "takeovers         {:>10}", self.takeovers)?;
        writeln!(f, "claims            {:>10}  {:.4} per ADD", self.claims, ratio(self.claims, self.adds))?;
        writeln!(f, "  of dead nodes   {:>10}", self.claims_of_the_dead)?;
        writeln!(f, "  without a block {:>10}", self.exhausted)?;
        writeln!(f, "blocks given back {:>10}", self.released)?;
        write!(f, "store calls       {:>10}  {:.4} per ADD", self.calls, ratio(self.calls, self.adds))
    }
}

#[allow(clippy::cast_precision_loss)]
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
