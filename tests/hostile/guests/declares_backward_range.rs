//! Declares a range that runs backwards.

use hostile_guests::{Pool, PoolRange, Problem, Sinner, prefix, range, sin};

struct DeclaresBackwardRange;

impl Sinner for DeclaresBackwardRange {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        let pool = Pool::new("sins");
        pool.add_range(PoolRange::new(prefix(sin(0), 24), range(sin(20), sin(10))));
        Ok(vec![pool])
    }
}

hostile_guests::policy!(DeclaresBackwardRange);
