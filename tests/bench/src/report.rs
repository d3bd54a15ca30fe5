//! The table.

use std::time::Duration;

use crate::options::Options;

/// Times of one thing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(index).copied().unwrap_or_default()
    }
}

/// A line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    what: String,
    samples: Samples,
    ratio: Option<f64>,
}

impl Row {
    pub(crate) fn alone(what: impl Into<String>, samples: Samples) -> Self {
        Self { what: what.into(), samples, ratio: None }
    }

    /// With the ratio of its median to another's.
    pub(crate) fn against(what: impl Into<String>, samples: Samples, base: Option<&Samples>) -> Self {
        let ratio = base.map(|base| samples.percentile(50).as_secs_f64() / base.percentile(50).as_secs_f64());
        Self { what: what.into(), samples, ratio }
    }
}

pub(crate) fn print(options: &Options, rows: &[Row]) {
    println!("{} rounds, in turns; milliseconds from exec to exit", options.rounds);
    println!("{:<52} {:>9} {:>9} {:>7} {:>7}", "", "median", "p99", "n", "ratio");
    for Row { what, samples, ratio } in rows {
        let millis = |percent| samples.percentile(percent).as_secs_f64() * 1000.0;
        let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        println!("{what:<52} {:>9.2} {:>9.2} {:>7} {ratio:>7}", millis(50), millis(99), samples.0.len());
    }
}
