//! Whether something grows with every container that comes and goes.

use std::fmt;
use std::time::Duration;

use gingham_engine::attachment::{AttachmentKey, PodFacts};
use gingham_engine::ledger::LedgerQueries;

use super::execution::{Stop, YEAR};
use super::narrowing::Usable;
use super::property::{Property, Violation};
use super::script::Script;
use super::sequence::{Identity, Narrowing, owned_by};
use super::subject::Subject;
use super::{CheckError, Counts};
use crate::Scenario;
use crate::cases::request::request_of;
use crate::cases::{Expected, RefusalKind, Step};

/// Rounds of containers. What grew in each one since the third is taken to grow without bound.
const ROUNDS: usize = 7;
const SETTLED: usize = 2;

/// Free addresses of each range: a search that goes round comes round in each round.
const FREE: usize = 4;

/// What a policy keeps when all containers have ended, and what a request costs then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Measure {
    keys: u64,
    bytes: u64,
    reservations: u64,
    fuel: u64,
}

/// Containers that come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    WithoutPod,
    OfDeployment,
    OfJob,
    /// The pod's name is the same in each round.
    OfStatefulSet,
    /// Of a pod of which nothing is known but its name.
    WithoutFacts,
}

pub(super) const KINDS: [Kind; 5] =
    [Kind::WithoutPod, Kind::OfDeployment, Kind::OfJob, Kind::OfStatefulSet, Kind::WithoutFacts];

/// The container of a round: new in each, with a name as long as the others.
fn container(kind: Kind, round: usize) -> (String, Identity) {
    let fresh = |name: &str| format!("{name}-{round:02}");
    let pod = |name: &str, owner| Identity::of_pod("shop", name, owned_by(Some(owner)));
    match kind {
        Kind::WithoutPod => (fresh("bare"), Identity::default()),
        Kind::OfDeployment => (fresh("serv"), pod(&fresh("api"), ("ReplicaSet", "api-5f7c"))),
        Kind::OfJob => (fresh("work"), pod(&fresh("job"), ("Job", "job"))),
        Kind::OfStatefulSet => (fresh("zero"), pod("web-0", ("StatefulSet", "web"))),
        Kind::WithoutFacts => (fresh("lone"), Identity::of_pod("batch", &fresh("solo"), PodFacts::default())),
    }
}

/// A network in which containers come and go, round after round.
pub(super) struct Growth {
    scenario: Scenario,
    pub(super) narrowing: Narrowing,
    pub(super) script: Script,
}

impl Growth {
    pub(super) fn new(subject: &Subject, usable: &[Usable]) -> Result<Self, CheckError> {
        let free = usable.iter().flat_map(|usable| usable.first(FREE)).collect();
        let narrowing = Narrowing::Excluded { free };
        let (scenario, _) = subject.narrowed(&narrowing, usable)?;
        Ok(Self { scenario, narrowing, script: Script::default() })
    }

    pub(super) fn check(&mut self, kinds: &[Kind], counts: &mut Counts) -> Result<(), Stop> {
        let mut measures = Vec::new();
        for round in 0..ROUNDS {
            let come: Vec<_> = kinds.iter().map(|kind| container(*kind, round)).collect();
            for (name, identity) in &come {
                counts.steps += 1;
                counts.adds += 1;
                match self.add(identity.add(name, &[]))? {
                    Some(_) => counts.granted += 1,
                    None => counts.refused += 1,
                }
            }
            come.iter().for_each(|(name, _)| self.del(name));
            self.settle()?;
            measures.extend(self.measure()?);
        }
        match growing(&measures) {
            Some(grown) => Err(self.violation(&grown)),
            None => Ok(()),
        }
    }

    /// The case ends where the bound is broken, with the bound.
    fn violation(&mut self, grown: &Grown) -> Stop {
        match grown.what {
            What::Reservations => self.script.expect_no_reservation(),
            What::Keys => self.script.expect(Expected { state_keys: Some(grown.first), ..Expected::default() }),
            What::Bytes => self.script.expect(Expected { state_bytes: Some(grown.first), ..Expected::default() }),
            What::Fuel => {
                let probe = self.script.steps.iter().rposition(|step| step.add.is_some());
                self.script.steps.truncate(probe.map_or(0, |probe| probe + 1));
                self.script.expect(Expected { fuel: Some(tolerated(grown.first)), ..Expected::default() });
            }
        }
        let (property, message, steps) = (grown.what.property(), grown.to_string(), self.script.steps.len());
        Stop::Violation(Violation { property, message, steps })
    }

    /// The policy's answer. What a refusal means is judged by the sequences.
    fn add(&mut self, written: Step) -> Result<Option<u64>, Stop> {
        let request = request_of(&mut self.scenario, &written, 1);
        self.script.push(written);
        let run = self.scenario.add(&request)?;
        let fuel = run.usage().fuel;
        let Err(error) = &run.result else { return Ok(Some(fuel)) };
        match Property::broken_by(error) {
            Some(property) => {
                let (message, steps) = (error.to_string(), self.script.steps.len());
                Err(Stop::Violation(Violation { property, message, steps }))
            }
            None => {
                self.script.expect_refusal(RefusalKind::of(error).unwrap_or(RefusalKind::Any));
                Ok(None)
            }
        }
    }

    /// Failures of the hook are reported by the sequences.
    fn del(&mut self, container: &str) {
        let key = AttachmentKey { container_id: container.to_owned(), interface: "eth0".to_owned() };
        drop(self.scenario.del(&key));
        self.script.push(Step { del: Some(key.container_id), ..Step::default() });
    }

    /// Time passes until nothing cools and all reservations that end within a year have ended.
    fn settle(&mut self) -> Result<(), CheckError> {
        let now = self.scenario.now();
        let bound = now.saturating_add(u64::try_from(YEAR.as_millis()).unwrap_or(u64::MAX));
        let ends = self.scenario.reservations()?.into_iter().map(|reservation| reservation.until);
        let latest = ends.filter(|until| *until <= bound).max().unwrap_or(now).max(now);
        let by = Duration::from_millis(latest - now) + self.scenario.settings().cooldown;
        self.scenario.advance(by);
        self.script.advance(by);
        Ok(())
    }

    /// One request by the same container each time. None if it is refused: then there is nothing to compare.
    fn measure(&mut self) -> Result<Option<Measure>, Stop> {
        let probe = Step { seed: Some(0), ..Identity::default().add("probe", &[]) };
        let Some(fuel) = self.add(probe)? else { return Ok(None) };
        self.del("probe");
        self.settle()?;
        let ledger = self.scenario.ledger();
        let keys = self.scenario.state_keys()?.len() as u64;
        let (bytes, reservations) = (ledger.state_size()?, ledger.reservation_count()?);
        Ok(Some(Measure { keys, bytes, reservations, fuel }))
    }
}

#[derive(Debug, Clone, Copy)]
enum What {
    Reservations,
    Keys,
    Bytes,
    Fuel,
}

impl What {
    const ALL: [Self; 4] = [Self::Reservations, Self::Keys, Self::Bytes, Self::Fuel];

    fn of(self, measure: &Measure) -> u64 {
        match self {
            Self::Reservations => measure.reservations,
            Self::Keys => measure.keys,
            Self::Bytes => measure.bytes,
            Self::Fuel => measure.fuel,
        }
    }

    fn property(self) -> Property {
        match self {
            Self::Reservations => Property::FreesAll,
            Self::Keys | Self::Bytes | Self::Fuel => Property::Bounded,
        }
    }
}

/// What grew in each round.
struct Grown {
    what: What,
    first: u64,
    last: u64,
}

impl fmt::Display for Grown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.what {
            What::Reservations => "there are more reservations",
            What::Keys => "its state has more keys",
            What::Bytes => "its state has more bytes",
            What::Fuel => "the same request needs more fuel",
        };
        write!(f, "{text} with every container that ended: {}, and {} later", self.first, self.last)
    }
}

/// A number that is stored in decimals gets longer: that is a digit in a thousand containers.
fn tolerated(fuel: u64) -> u64 {
    fuel + fuel / 20
}

fn growing(measures: &[Measure]) -> Option<Grown> {
    let settled = measures.get(SETTLED..).filter(|_| measures.len() == ROUNDS)?;
    let (first, last) = (settled.first()?, settled.last()?);
    let grows = |what: &What| {
        let in_each_round = settled.windows(2).all(|pair| what.of(&pair[0]) < what.of(&pair[1]));
        in_each_round && (!matches!(what, What::Fuel) || last.fuel > tolerated(first.fuel))
    };
    let what = What::ALL.into_iter().find(grows)?;
    Some(Grown { what, first: what.of(first), last: what.of(last) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(of_round: impl Fn(u64) -> Measure) -> Option<String> {
        let measures: Vec<Measure> = (0..ROUNDS as u64).map(of_round).collect();
        growing(&measures).map(|grown| grown.to_string())
    }

    const STILL: Measure = Measure { keys: 3, bytes: 90, reservations: 1, fuel: 10_000 };

    #[test]
    fn only_what_grows_in_each_round_grows() {
        assert_eq!(rounds(|_| STILL), None);
        assert_eq!(rounds(|round| Measure { bytes: 90 + round % 3, ..STILL }), None);
        assert_eq!(rounds(|round| Measure { keys: round.min(3), ..STILL }), None, "it ends");
        let grown = rounds(|round| Measure { keys: round, ..STILL }).unwrap();
        assert_eq!(grown, "its state has more keys with every container that ended: 2, and 6 later");
    }

    #[test]
    fn a_little_more_fuel_is_a_longer_number() {
        assert_eq!(rounds(|round| Measure { fuel: 10_000 + round, ..STILL }), None);
        assert!(rounds(|round| Measure { fuel: 10_000 + 200 * round, ..STILL }).unwrap().contains("more fuel"));
    }
}
