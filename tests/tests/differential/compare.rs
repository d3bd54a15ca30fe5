//! The two sides of a case, step by step. Every difference is a fact; a fact that no tolerance covers fails the run.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::case::{Case, Step};
use crate::node::Side;
use crate::observation::{Answer, Observation};
use crate::printed;
use crate::sentences::{self, Verdict};
use crate::tolerated::{self, Tolerance};

/// Where two sides differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// One succeeded and one failed, or one answered and one kept silent.
    Outcome,
    /// Within the result, by its path.
    Result(String),
    /// The error's words.
    Sentence(String),
    /// A code of our own for the same words.
    Code,
    /// The text: order of keys, indentation, line breaks.
    Printed,
    /// Which addresses are leased to whom.
    Leases,
    /// Where the search for the next address begins.
    Turn,
    /// The kernel's state, by the path in it.
    State(String),
}

/// One difference.
pub(crate) struct Fact<'a> {
    /// The step's number.
    pub(crate) number: usize,
    /// The step.
    pub(crate) step: &'a Step,
    /// The case.
    pub(crate) case: &'a Case,
    /// The configuration of this step.
    pub(crate) network: &'a Value,
    /// Where.
    pub(crate) place: Place,
    /// What the reference has.
    pub(crate) theirs: Value,
    /// What we have.
    pub(crate) ours: Value,
    /// Everything that was seen of the reference.
    pub(crate) reference: &'a Observation,
    /// Everything that was seen of us.
    pub(crate) gingham: &'a Observation,
    /// What was seen of us before this step: at the beginning and after each earlier step.
    pub(crate) earlier: &'a [Observation],
    /// The same of the reference.
    pub(crate) earlier_reference: &'a [Observation],
}

impl fmt::Display for Fact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "step {} {:?} {:?}:", self.number, self.step.verb, self.place)?;
        writeln!(f, "  reference: {}", self.theirs)?;
        writeln!(f, "  gingham:   {}", self.ours)?;
        writeln!(f, "  reference said: {:?} {}", self.reference.answer, self.reference.stderr.trim())?;
        write!(f, "  gingham said:   {:?} {}", self.gingham.answer, self.gingham.stderr.trim())
    }
}

/// A fact that nothing explains.
pub(crate) struct Unexplained {
    /// The same for facts of the same kind.
    pub(crate) kind: String,
    /// The whole of it.
    pub(crate) text: String,
}

impl Fact<'_> {
    fn kind(&self) -> String {
        let squash = |value: &Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let is_number = |c: char| c.is_ascii_digit() || c == ':' || c == '.';
            let mut squashed: String = text.chars().map(|c| if is_number(c) { '#' } else { c }).collect();
            while squashed.contains("##") {
                squashed = squashed.replace("##", "#");
            }
            squashed.chars().take(150).collect::<String>()
        };
        let (theirs, ours) = (squash(&self.theirs), squash(&self.ours));
        format!("{} {} {:?} | {theirs} | {ours}", self.case.program, self.step.verb, self.place)
    }
}

/// How often each heading of docs/differences.md was needed.
pub(crate) type Used = BTreeMap<&'static str, usize>;

/// Compares a whole case, of which both sides saw one more than it has steps: the beginning. After a difference that makes the two nodes different from there on, its rest is not compared.
pub(crate) fn case(
    case: &Case,
    reference: &[Observation],
    gingham: &[Observation],
    used: &mut Used,
) -> Result<(), Unexplained> {
    for (number, step) in case.steps.iter().enumerate() {
        let (theirs, ours) = (&reference[number + 1], &gingham[number + 1]);
        let network = case.network_of(step);
        let mut ends = false;
        for (place, their, our) in differences(step, &network, theirs, ours) {
            let fact = Fact {
                number,
                step,
                case,
                network: &network,
                place,
                theirs: their,
                ours: our,
                reference: theirs,
                gingham: ours,
                earlier: &gingham[..=number],
                earlier_reference: &reference[..=number],
            };
            match tolerated::find(&fact) {
                Some(Tolerance { heading, ends: stops, .. }) => {
                    *used.entry(heading).or_default() += 1;
                    if *stops && fact.place == Place::Outcome {
                        return Ok(());
                    }
                    ends |= stops;
                }
                None => return Err(Unexplained { kind: fact.kind(), text: fact.to_string() }),
            }
        }
        if ends {
            break;
        }
    }
    Ok(())
}

fn differences(step: &Step, network: &Value, theirs: &Observation, ours: &Observation) -> Vec<(Place, Value, Value)> {
    let mut found = Vec::new();
    match (&theirs.answer, &ours.answer) {
        (Answer::Result(their), Answer::Result(our)) => {
            let their = tolerated::rewrite(their, step, network, Side::Reference);
            let our = tolerated::rewrite(our, step, network, Side::Gingham);
            walk("", &their, &our, &mut |path, their, our| {
                found.push((Place::Result(path.to_owned()), their.clone(), our.clone()));
            });
        }
        (Answer::Silence, Answer::Silence) => {}
        (Answer::Error { .. }, Answer::Error { .. }) => {
            let words = || (theirs.answer.sentence().into(), ours.answer.sentence().into());
            match sentences::compare(&theirs.answer, &ours.answer) {
                None | Some(Verdict::Same) => {}
                Some(Verdict::OwnCode) => found.push((Place::Code, words().0, words().1)),
                Some(verdict) => found.push((Place::Sentence(format!("{verdict:?}")), words().0, words().1)),
            }
        }
        (their, our) if their == our => {}
        (their, our) => found.push((Place::Outcome, format!("{their:?}").into(), format!("{our:?}").into())),
    }
    if found.is_empty() {
        let (their, our) = printed::alike(theirs, ours);
        if their != our {
            found.push((Place::Printed, their.into(), our.into()));
        }
    }
    if theirs.leases != ours.leases {
        found.push((Place::Leases, theirs.leases.clone().into(), ours.leases.clone().into()));
    }
    if theirs.turn != ours.turn {
        found.push((Place::Turn, theirs.turn.clone().into(), ours.turn.clone().into()));
    }
    walk("", &theirs.state, &ours.state, &mut |path, their, our| {
        found.push((Place::State(path.to_owned()), their.clone(), our.clone()));
    });
    found
}

/// Calls `differs` for every place where two values are not the same.
fn walk(path: &str, one: &Value, other: &Value, differs: &mut impl FnMut(&str, &Value, &Value)) {
    match (one, other) {
        (Value::Object(first), Value::Object(second)) => {
            let mut keys: Vec<&String> = first.keys().chain(second.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let null = Value::Null;
                let (first, second) = (first.get(key).unwrap_or(&null), second.get(key).unwrap_or(&null));
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&path, first, second, differs);
            }
        }
        (Value::Array(first), Value::Array(second)) if first.len() == second.len() => {
            for (index, (first, second)) in first.iter().zip(second).enumerate() {
                walk(&format!("{path}[{index}]"), first, second, differs);
            }
        }
        _ if one == other => {}
        _ => differs(path, one, other),
    }
}
