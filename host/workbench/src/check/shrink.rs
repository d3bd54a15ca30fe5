//! From a sequence that breaks a property to a short one that breaks the same.

use proptest::strategy::ValueTree;

use super::property::Violation;
use super::sequence::{Identity, Sequence, Step};

/// Sequences that are tried, at most.
const TRIES: usize = 600;

/// The simplest sequence found, with what it breaks. `judge` runs a sequence.
pub(super) fn simplest<E>(
    tree: &mut impl ValueTree<Value = Sequence>,
    violation: Violation,
    mut judge: impl FnMut(&Sequence) -> Result<Option<Violation>, E>,
) -> Result<(Sequence, Violation), E> {
    let mut best = (tree.current(), violation);
    let mut is_simpler = tree.simplify();
    for _ in 0..TRIES {
        if !is_simpler {
            break;
        }
        let current = tree.current();
        let broken = judge(&current)?.filter(|broken| broken.property == best.1.property);
        is_simpler = match broken {
            Some(broken) => {
                best = (current, broken);
                tree.simplify()
            }
            None => tree.complicate(),
        };
    }
    let (mut sequence, violation) = best;
    sequence.steps.truncate(violation.steps);
    forget_unused(&mut sequence);
    Ok((sequence, violation))
}

/// Containers that no step names are not worth reading about.
fn forget_unused(sequence: &mut Sequence) {
    let used: Vec<usize> = sequence.steps.iter().flat_map(named).collect();
    for (number, identity) in sequence.containers.iter_mut().enumerate() {
        if !used.contains(&number) {
            *identity = Identity::default();
        }
    }
}

fn named(step: &Step) -> Vec<usize> {
    match step {
        Step::Add { container, .. }
        | Step::Del { container }
        | Step::Retry { container }
        | Step::Withdraw { container } => vec![*container],
        Step::Collect { containers } => containers.clone(),
        Step::Fill | Step::Reboot | Step::Advance { .. } | Step::SetBack { .. } | Step::Reconfigure { .. } => {
            Vec::new()
        }
    }
}
