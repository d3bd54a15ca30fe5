//! Declares a range that runs backwards.

use hostile_guests::{Edges, Pool, Problem, Sinner, prefix, range, sin};

struct DeclaresBackwardRange;

impl Sinner for DeclaresBackwardRange {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        let pool = Pool::new("sins");
        pool.add_range(prefix(sin(0), 24), range(sin(20), sin(10)), None, Edges::Reserved);
        Ok(vec![pool])
    }
}

hostile_guests::policy!(DeclaresBackwardRange);
