//! Reads a history.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use super::{Event, FORMAT, Line, Start};

/// A history in the order of the store's transactions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    pub lines: Vec<Line>,
    /// Whether the last line was half a line and was left out.
    pub is_torn: bool,
    starts: BTreeMap<String, Start>,
    /// The line of the text that each line was.
    numbers: Vec<usize>,
}

/// Text that is no history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("cannot read the history: {0}")]
    Read(#[from] io::Error),
    #[error("the history is empty: it has no line that says which network and policy it is of")]
    Empty,
    #[error("line {number} is not a line of a history: {reason}")]
    Line { number: usize, reason: String },
    #[error(
        "line {number} has format {found} of histories, and this version reads up to {FORMAT}: use a newer ginghamctl"
    )]
    Format { number: usize, found: u32 },
    #[error(
        "line {number} belongs to configuration {config:?}, and no earlier line describes that: use the whole file, as \
         `ginghamctl policy record` writes it"
    )]
    NoStart { number: usize, config: String },
}

impl History {
    /// Reads and sorts all lines.
    ///
    /// # Errors
    /// [`HistoryError`] names the line. Half a line at the end is no error.
    pub fn read(mut input: impl BufRead) -> Result<Self, HistoryError> {
        let mut history = Self::default();
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            if input.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Line>(bytes.trim_ascii_end()) {
                Ok(line) => history.push(number, line)?,
                Err(_) if bytes.last() != Some(&b'\n') => history.is_torn = true,
                Err(error) => return Err(refused(number, &bytes, &error)),
            }
        }
        if history.lines.is_empty() {
            return Err(HistoryError::Empty);
        }
        history.sort();
        Ok(history)
    }

    fn push(&mut self, number: usize, line: Line) -> Result<(), HistoryError> {
        match &line.event {
            Event::Start(Start { format, .. }) if *format > FORMAT => {
                return Err(HistoryError::Format { number, found: *format });
            }
            Event::Start(start) => {
                self.starts.insert(line.config.clone(), start.clone());
            }
            _ if !self.starts.contains_key(&line.config) => {
                return Err(HistoryError::NoStart { number, config: line.config });
            }
            _ => {}
        }
        self.lines.push(line);
        self.numbers.push(number);
        Ok(())
    }

    /// The number in the text, from 1, of the line with this index.
    pub fn number(&self, index: usize) -> usize {
        self.numbers.get(index).copied().unwrap_or(index + 1)
    }

    /// What a line's `config` stands for.
    pub fn start(&self, config: &str) -> Option<&Start> {
        self.starts.get(config)
    }

    /// Within each boot by transaction: numbers start again with a boot. A snapshot, and what was refused, comes before what
    /// was committed under the same number. A boot begins with its configuration, also if a transaction before it was written
    /// after it.
    fn sort(&mut self) {
        self.leave_out_what_the_first_snapshot_has();
        let mut boot = 0;
        let mut last = None;
        let mut keys = Vec::with_capacity(self.lines.len());
        for line in &self.lines {
            let mut order = line.order;
            if let Event::Start(start) = &line.event {
                let before = last.replace(start.boot.clone());
                if before.as_ref() != Some(&start.boot) {
                    boot += usize::from(before.is_some());
                    order = 0;
                }
            }
            let is_before = matches!(line.event, Event::Start(_) | Event::Snapshot(_)) || !line.event.is_committed();
            keys.push((boot, order, !is_before));
        }
        let mut keyed: Vec<_> = keys
            .into_iter()
            .zip(std::mem::take(&mut self.lines).into_iter().zip(std::mem::take(&mut self.numbers)))
            .collect();
        keyed.sort_by_key(|(key, _)| *key);
        (self.lines, self.numbers) = keyed.into_iter().map(|(_, numbered)| numbered).unzip();
    }

    /// Of ADDs at the same time, one of an earlier transaction may write after the one that began the history.
    fn leave_out_what_the_first_snapshot_has(&mut self) {
        if let [Line { event: Event::Start(_), .. }, Line { event: Event::Snapshot(_), order, .. }, ..] = self.lines[..]
        {
            let boot_ends = |line: &Line| matches!(&line.event, Event::Start(other) if self.is_of_another_boot(other));
            let of_first_boot = self.lines.iter().skip(1).position(boot_ends).map_or(self.lines.len(), |at| at + 1);
            let mut at = 0;
            let keeps = |line: &Line| {
                at += 1;
                at <= 2 || at > of_first_boot || line.order >= order || matches!(line.event, Event::Start(_))
            };
            let kept: Vec<bool> = self.lines.iter().map(keeps).collect();
            let (mut of_lines, mut of_numbers) = (kept.iter(), kept.iter());
            self.lines.retain(|_| of_lines.next() == Some(&true));
            self.numbers.retain(|_| of_numbers.next() == Some(&true));
        }
    }

    fn is_of_another_boot(&self, start: &Start) -> bool {
        matches!(&self.lines[0].event, Event::Start(first) if first.boot != start.boot)
    }
}

/// A line of a later format may not even parse: its number helps more than what this version stumbled over.
fn refused(number: usize, bytes: &[u8], error: &serde_json::Error) -> HistoryError {
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    let format = value.pointer("/event/start/format").and_then(serde_json::Value::as_u64);
    match format.and_then(|format| u32::try_from(format).ok()) {
        Some(found) if found > FORMAT => HistoryError::Format { number, found },
        _ => HistoryError::Line { number, reason: reason(error) },
    }
}

/// `serde_json` counts lines within this one.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).map_or_else(|| text.clone(), |reason| format!("{reason} (column {})", error.column()))
}

#[cfg(test)]
mod tests {
    use super::super::{Ended, Outcome, RecordedRequest, Refused, RefusedKind, Requested, Snapshot};
    use super::*;

    fn line(order: u64, event: Event) -> String {
        serde_json::to_string(&Line { at: 5, order, event, config: "c".to_owned() }).unwrap() + "\n"
    }

    fn start(boot: &str) -> Event {
        Event::Start(Start { format: FORMAT, boot: boot.to_owned(), ..Start::default() })
    }

    fn end(container: &str) -> Event {
        Event::End(Ended { container_id: container.to_owned(), ..Ended::default() })
    }

    fn refused() -> Event {
        let message = "full".to_owned();
        let outcome = Outcome::Refused(Refused { kind: RefusedKind::Exhausted, message, key: None, after_ms: None });
        Event::Request(Box::new(Requested::new(RecordedRequest::default(), outcome)))
    }

    fn names(history: &History) -> Vec<String> {
        let name = |line: &Line| match &line.event {
            Event::Start(start) => format!("start {}", start.boot),
            Event::End(ended) => format!("end {}", ended.container_id),
            Event::Request(_) => "request".to_owned(),
            Event::Snapshot(_) => "snapshot".to_owned(),
            Event::EndReservations(ended) => panic!("{ended:?}"),
        };
        history.lines.iter().map(name).collect()
    }

    #[test]
    fn transactions_are_sorted_within_a_boot_and_refusals_come_first() {
        let text = [
            line(7, start("one")),
            line(9, end("b")),
            line(8, end("a")),
            line(9, refused()),
            line(2, start("two")),
            line(2, end("c")),
        ];
        let history = History::read(text.concat().as_bytes()).unwrap();
        assert_eq!(names(&history), ["start one", "end a", "request", "end b", "start two", "end c"]);
    }

    /// ADDs at the same time write in another order than they commit.
    #[test]
    fn what_was_written_late_does_not_come_before_the_beginning() {
        let late = [
            line(4, start("one")),
            line(4, Event::Snapshot(Snapshot::default())),
            line(3, end("in the snapshot")),
            line(4, end("a")),
            line(3, start("two")),
            line(2, end("b")),
            line(3, end("c")),
        ];
        let history = History::read(late.concat().as_bytes()).unwrap();
        assert_eq!(names(&history), ["start one", "snapshot", "end a", "start two", "end b", "end c"]);
        let without_snapshot = [line(4, start("one")), line(3, end("a")), line(4, end("b"))];
        let history = History::read(without_snapshot.concat().as_bytes()).unwrap();
        assert_eq!(names(&history), ["start one", "end a", "end b"]);
    }

    /// A snapshot is of the moment before its transaction, and a refusal has the number of the next one.
    #[test]
    fn a_snapshot_stays_before_a_refusal_of_its_number() {
        let text = [
            line(4, start("one")),
            line(4, Event::Snapshot(Snapshot::default())),
            line(4, refused()),
            line(4, end("a")),
        ];
        let history = History::read(text.concat().as_bytes()).unwrap();
        assert_eq!(names(&history), ["start one", "snapshot", "request", "end a"]);
    }

    #[test]
    fn half_a_line_at_the_end_is_no_fault_and_one_before_is() {
        let text = line(1, start("one")) + &line(2, end("a"));
        for cut in 1..=line(2, end("a")).len() - 2 {
            let torn = &text[..text.len() - 1 - cut];
            let history = History::read(torn.as_bytes()).unwrap();
            assert_eq!(names(&history), ["start one"], "{cut}");
            assert!(history.is_torn || torn.ends_with('\n'), "{cut}");
        }
        let whole = History::read(text.trim_end().as_bytes()).unwrap();
        assert_eq!((names(&whole).len(), whole.is_torn), (2, false), "only the line break is missing");
        let damaged = line(1, start("one")) + "{\"at\":1,\"or\n" + &line(2, end("a"));
        let error = History::read(damaged.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("line 2 is not a line of a history: ") && !error.contains("line 1"), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = |text: &str| History::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error("\n").starts_with("the history is empty"));
        assert!(error(&line(1, end("a"))).contains("belongs to configuration \"c\""));
        let later = r#"{"event":{"start":{"format":2,"policy":[]}}}"#.to_owned() + "\n";
        assert_eq!(
            error(&later),
            "line 1 has format 2 of histories, and this version reads up to 1: use a newer ginghamctl"
        );
    }
}
