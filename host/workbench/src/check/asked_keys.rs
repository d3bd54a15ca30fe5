//! Keys of labels, annotations and arguments that a policy asks for: those that its configuration does not name are
//! found by watching it. Without them, a policy that goes by the label `team` would see no pod that has it.

use std::collections::BTreeSet;

use super::execution::Execution;
use super::generator::Generator;
use super::narrowing::Usable;
use super::subject::Subject;
use super::{CheckError, Stop};

/// A policy may ask for a second key only where the first one is there.
const ROUNDS: usize = 3;

const SEQUENCES: usize = 8;

/// What `seed` brings to light: the same keys every time.
pub(crate) fn asked_keys(subject: &Subject, usable: &[Usable], seed: u64) -> Result<Vec<String>, CheckError> {
    let mut keys = BTreeSet::new();
    for _ in 0..ROUNDS {
        let before = keys.len();
        let known: Vec<String> = keys.iter().cloned().collect();
        let mut generator = Generator::new(subject, usable, seed, &known)?;
        for _ in 0..SEQUENCES {
            let sequence = generator.sequence()?;
            let mut execution = Execution::new(subject, usable, &sequence)?.watched();
            match execution.run(&sequence.steps) {
                Ok(()) | Err(Stop::Violation(_)) => keys.append(&mut execution.asked),
                Err(Stop::Error(error)) => return Err(error),
            }
        }
        if keys.len() == before {
            break;
        }
    }
    Ok(keys.into_iter().collect())
}
