//! What a process has used.

use std::fs;

/// The kernel's in a second, on every machine that this runs on.
const TICKS: f64 = 100.0;

#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Seconds of processor of the process itself.
    pub own: f64,
    /// The same of its children that have ended.
    pub children: f64,
    /// Resident, in kibibytes.
    pub resident: u64,
    /// The same, with pages that others map too divided among them.
    pub proportional: u64,
}

impl Usage {
    pub fn of(process: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        // The third field and those after it: the second may have spaces.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let seconds = |field: usize| fields[field].parse::<f64>().unwrap() / TICKS;
        let memory = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
        Self {
            own: seconds(11) + seconds(12),
            children: seconds(13) + seconds(14),
            resident: kibibytes(&memory, "Rss:"),
            proportional: kibibytes(&memory, "Pss:"),
        }
    }
}

fn kibibytes(memory: &str, name: &str) -> u64 {
    let line = memory.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
