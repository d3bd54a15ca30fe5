//! What a migration has to do, by how far the stores are.

use std::fmt;

use gingham_ownership::record::ConfigRecord;

use super::MigrationError;
use super::read::Read;
use super::side::Side;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Also what an interrupted one has begun.
    Move,
    /// The move in the other direction has not come to its end, so its source still counts: that is opened again.
    GiveUp,
    /// It was done before.
    Nothing,
}

/// How far a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Missing,
    Open,
    /// A move to here is under way.
    Filling {
        from: String,
    },
    /// It has counted, and does not any more.
    Closed {
        to: String,
    },
    /// A move to here was given up.
    GivenUp {
        to: String,
    },
}

impl Phase {
    pub(super) fn of(config: Option<&ConfigRecord>) -> Self {
        let Some(config) = config else { return Self::Missing };
        match (config.moving_from.clone(), config.moved_to.clone()) {
            (None, None) => Self::Open,
            (Some(from), None) => Self::Filling { from },
            (None, Some(to)) => Self::Closed { to },
            (Some(_), Some(to)) => Self::GivenUp { to },
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Open => f.write_str("in use"),
            Self::Filling { from } => write!(f, "reserved for a move from {from}"),
            Self::Closed { to } => write!(f, "closed: moved to {to}"),
            Self::GivenUp { to } => write!(f, "closed: its move was given up, and {to} is in use"),
        }
    }
}

pub(super) fn plan(
    (source, in_source): (&Side<'_>, &Read),
    (target, in_target): (&Side<'_>, &Read),
) -> Result<Plan, MigrationError> {
    let (from, to) = (source.name, target.name);
    let (first, second) = (Phase::of(in_source.config()), Phase::of(in_target.config()));
    let is_of_this_move = match &second {
        Phase::Filling { from: other } | Phase::Closed { to: other } | Phase::GivenUp { to: other } => other == from,
        Phase::Missing => in_target.values.is_empty() && in_target.unreadable.is_empty(),
        Phase::Open => false,
    };
    match (&first, &second) {
        (Phase::Missing, _) => Err(MigrationError::NoCluster { store: from }),
        (Phase::Open, _) if is_of_this_move => Ok(Plan::Move),
        // Both have counted: only one can be the later one, and nothing says which.
        (Phase::Closed { to: other }, Phase::Missing | Phase::Filling { .. } | Phase::GivenUp { .. })
            if other == to && is_of_this_move =>
        {
            Ok(Plan::Move)
        }
        (Phase::Closed { to: other }, Phase::Open) if other == to => Ok(Plan::Nothing),
        (Phase::Filling { from: other } | Phase::GivenUp { to: other }, Phase::Open | Phase::Closed { .. })
            if other == to =>
        {
            let is_over = matches!((&first, &second), (Phase::GivenUp { .. }, Phase::Open));
            Ok(if is_over { Plan::Nothing } else { Plan::GiveUp })
        }
        (Phase::Open, Phase::Open | Phase::Missing) => {
            let keys = || in_target.values.keys().chain(&in_target.unreadable);
            let count = |start: &str| keys().filter(|key| key.starts_with(start)).count();
            Err(MigrationError::NotEmpty { store: to, members: count("members/"), blocks: count("blocks/") })
        }
        _ => {
            Err(MigrationError::Phases { from, to, source_phase: first.to_string(), target_phase: second.to_string() })
        }
    }
}
