//! `ginghamctl policy compare`: two policies over one history, that of a node or a generated one. Both are asked in the same
//! situation: the leases are those of the history or, where none was recorded, those that the first policy gave.

mod generated;

use gingham_engine::history::{Event, History};
use gingham_engine::runtime::Policy;
use serde_json::Value;

pub use generated::compare_generated;

use crate::replay::player::Player;
use crate::replay::{Replay, ReplayError, divergence, notes, other_step, result_text, verdict_of_results};

/// Asks both policies all requests of a history. `ipam` is used instead of the recorded configurations.
pub fn compare(history: &History, [first, second]: [&Policy; 2], ipam: Option<&Value>) -> Result<Replay, ReplayError> {
    let (mut first, mut second) = (Player::new(first, ipam), Player::new(second, ipam));
    let mut replay = Replay { notes: notes(history), ..Replay::default() };
    for (index, line) in history.lines.iter().enumerate() {
        let at_line = |source| ReplayError::Line { line: history.number(index), source: Box::new(source) };
        let Event::Request(requested) = &line.event else {
            other_step(&mut first, line, &mut Replay::default()).map_err(at_line)?;
            other_step(&mut second, line, &mut replay).map_err(at_line)?;
            continue;
        };
        let one = first.ask(requested).map_err(at_line)?;
        let two = second.ask(requested).map_err(at_line)?;
        let verdict = verdict_of_results(one.result(), two.result());
        let texts = (verdict, result_text(one.result()), result_text(two.result()), two.run.log.as_slice());
        replay.note(verdict, || divergence(history, line, requested, texts));
        first.settle(one, &requested.outcome).map_err(at_line)?;
        second.settle(two, &requested.outcome).map_err(at_line)?;
    }
    replay.notes.extend(first.unseen_ends_note());
    Ok(replay)
}
