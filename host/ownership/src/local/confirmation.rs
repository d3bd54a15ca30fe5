//! How long a node gives new addresses without having read its own record (rule R11).

use super::LocalState;
use crate::rules::{Rule, Rules};

/// Milliseconds: less than the five minutes after which a deleted node is taken over.
pub const CONFIRMED_FOR: u64 = 240_000;

impl LocalState {
    /// Notes that the store had this membership, by a call that began then. Times are milliseconds since the machine started: no
    /// clock that people set can make them longer.
    pub fn confirm(&mut self, asked: u64) {
        self.confirm_until(asked.saturating_add(CONFIRMED_FOR));
    }

    pub fn confirm_until(&mut self, end: u64) {
        self.confirmed_until = end;
    }

    /// Notes that the store cannot be asked: another node may take this one over from now on.
    pub fn doubt(&mut self) {
        self.confirmed_until = 0;
    }

    /// Whether the store could not be asked when that was tried last.
    pub fn is_doubted(&self) -> bool {
        self.confirmed_until == 0
    }

    /// Whether new addresses may be given from the blocks it holds. Of an earlier start of the machine a time may be later than
    /// any that is possible.
    pub fn is_confirmed(&self, uptime: u64, rules: Rules) -> bool {
        let is_possible = self.confirmed_until <= uptime.saturating_add(CONFIRMED_FOR);
        !rules.hold(Rule::R11) || (uptime < self.confirmed_until && is_possible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_ends_by_itself_and_by_doubt() {
        let mut local = LocalState::new("node-1", "disk");
        let is_confirmed = |local: &LocalState, uptime| local.is_confirmed(uptime, Rules::default());
        assert!(!is_confirmed(&local, 0));
        local.confirm(1_000);
        assert!(is_confirmed(&local, 1_000) && is_confirmed(&local, 1_000 + CONFIRMED_FOR - 1));
        assert!(!is_confirmed(&local, 1_000 + CONFIRMED_FOR));
        assert!(!is_confirmed(&local, 999), "of an earlier start of the machine");
        let read = LocalState::read(&local.to_bytes(), "").unwrap();
        assert!(is_confirmed(&read, 2_000), "it is durable");
        assert!(!read.is_doubted());
        local.doubt();
        assert!(!is_confirmed(&local, 2_000) && local.is_doubted());
        assert_eq!(
            local.to_bytes(),
            LocalState::new("node-1", "disk").to_bytes(),
            "other stores' nodes write as before"
        );
    }
}
