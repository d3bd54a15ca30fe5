//! The rules of ownership. Each was shown to be needed by a short counterexample; `docs/simulation.md` has them.

/// A rule, which production code cannot turn off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Shrink first: a block leaves the local state, durably, before the call that gives it back can leave the node.
    R1,
    /// Abort by write: after a time-out no read decides. The call is repeated, or a write makes it impossible.
    R2,
    /// No taking on hints: a live block of another is never claimed.
    R3,
    /// Monotone events: a block is taken up only in a version later than the last one known of it.
    R4,
    /// A new incarnation for each boot, in the store before anything is served.
    R5,
    /// A takeover compares: it ends the membership that was seen dead, and no later one.
    R6,
    /// The fence is checked on joining: blocks of an ended membership are forgotten.
    R7,
    /// A silent node is not a dead one: nothing but a person's order ends another's membership.
    R8,
    /// A release ends with the record: a delete that a foreign write made miss follows to the later version.
    R9,
    /// No sign of life is no sign of death: a node whose life cannot be watched is taken over by force alone.
    R10,
    /// Confirm after silence: a node that could have been taken over meanwhile reads its own record before it gives a new
    /// address, also without a boot in between.
    R11,
    /// The first confirmation after silence writes: a takeover that is under way then compares with a record that is no more.
    R12,
}

impl Rule {
    pub const ALL: [Self; 12] = [
        Self::R1,
        Self::R2,
        Self::R3,
        Self::R4,
        Self::R5,
        Self::R6,
        Self::R7,
        Self::R8,
        Self::R9,
        Self::R10,
        Self::R11,
        Self::R12,
    ];
}

/// Which rules hold: all, except for what proves that each is needed (feature `proof`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rules {
    #[cfg(feature = "proof")]
    off: Option<Rule>,
}

impl Rules {
    /// All but one.
    #[cfg(feature = "proof")]
    pub fn without(rule: Rule) -> Self {
        Self { off: Some(rule) }
    }

    #[cfg(feature = "proof")]
    pub(super) fn hold(self, rule: Rule) -> bool {
        self.off != Some(rule)
    }

    /// Whether a rule holds: it does.
    #[cfg(not(feature = "proof"))]
    #[allow(clippy::unused_self)] // The other one needs it.
    pub(super) fn hold(self, _rule: Rule) -> bool {
        true
    }
}
