//! What every policy has to keep, and what is shown when one does not.

use std::fmt;

use gingham_engine::attachment::Refusal;
use gingham_engine::guard::GuardError;
use gingham_engine::ipam::IpamError;

use crate::cases::RefusalKind;

/// A rule for all policies. `ginghamctl policy check` names it when it is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    NoFaults,
    LegalAnswers,
    RequestedAddresses,
    Deterministic,
    FindsFreeAddresses,
    RefusalsEnd,
    Retries,
    Families,
    FreesAll,
    Bounded,
}

impl Property {
    pub const ALL: [Self; 10] = [
        Self::NoFaults,
        Self::LegalAnswers,
        Self::RequestedAddresses,
        Self::Deterministic,
        Self::FindsFreeAddresses,
        Self::RefusalsEnd,
        Self::Retries,
        Self::Families,
        Self::FreesAll,
        Self::Bounded,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::NoFaults => "no-faults",
            Self::LegalAnswers => "legal-answers",
            Self::RequestedAddresses => "requested-addresses",
            Self::Deterministic => "deterministic",
            Self::FindsFreeAddresses => "finds-free-addresses",
            Self::RefusalsEnd => "refusals-end",
            Self::Retries => "retries",
            Self::Families => "families",
            Self::FreesAll => "frees-all",
            Self::Bounded => "bounded",
        }
    }

    /// The rule, in a sentence.
    pub fn rule(self) -> &'static str {
        match self {
            Self::NoFaults => "no call traps or exceeds a limit, and every refusal has a sentence",
            Self::LegalAnswers => "every answer passes the guard",
            Self::RequestedAddresses => "every requested address is granted, or the request is refused",
            Self::Deterministic => "a second instance gives the same answer, log and cost",
            Self::FindsFreeAddresses => "`exhausted` means that a pool the request needs has no free address",
            Self::RefusalsEnd => "`try-again` ends when all leases have ended and the time it names is over",
            Self::Retries => "an ADD that was granted is granted again after DEL",
            Self::Families => "a request gets addresses of the same families, however full the pools are",
            Self::FreesAll => "no reservation ends later than a year after the last lease",
            Self::Bounded => {
                "state, reservations and fuel do not grow with the number of containers that came and went"
            }
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|property| property.name() == name)
    }

    /// What an ADD broke that ended with this error; none where a refusal may be in order.
    pub(super) fn broken_by(error: &IpamError) -> Option<Self> {
        match error {
            IpamError::Guard { source: GuardError::RequestIgnored { .. }, .. } => Some(Self::RequestedAddresses),
            IpamError::Guard { .. } => Some(Self::LegalAnswers),
            IpamError::Refused { refusal, .. } => sentence(refusal).trim().is_empty().then_some(Self::NoFaults),
            IpamError::Fault { .. }
            | IpamError::Problems { .. }
            | IpamError::Pools { .. }
            | IpamError::Cluster { .. } => Some(Self::NoFaults),
            IpamError::AlreadyAttached { .. }
            | IpamError::Process { .. }
            | IpamError::FactAwaited { .. }
            | IpamError::Store(_) => None,
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is said of an error that breaks a property: of a refusal without a sentence, its kind.
pub(super) fn broken_because(error: &IpamError) -> String {
    match (RefusalKind::of(error), error) {
        (Some(kind), IpamError::Refused { .. }) => format!("it refused ({kind}) without a sentence"),
        _ => error.to_string(),
    }
}

fn sentence(refusal: &Refusal) -> &str {
    match refusal {
        Refusal::Exhausted(text)
        | Refusal::Unavailable(text)
        | Refusal::Denied(text)
        | Refusal::Other(text)
        | Refusal::TryAgain { message: text, .. } => text,
        Refusal::InvalidConfig(problem) => &problem.message,
    }
}

/// A property that a policy does not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub property: Property,
    /// What happened, in a sentence.
    pub message: String,
    /// How many steps of the sequence it took; all of them if it came to light at the end.
    pub steps: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_without_a_sentence_is_told_by_its_kind() {
        let error = IpamError::Refused { policy: "bad".to_owned(), refusal: Refusal::Denied(" ".to_owned()) };
        assert_eq!(Property::broken_by(&error), Some(Property::NoFaults));
        assert_eq!(broken_because(&error), "it refused (denied) without a sentence");
    }
}
