//! Declares a range that leaves its prefix.

use hostile_guests::{Pool, PoolRange, Problem, Sinner, prefix, range, sin, v4};

struct DeclaresRangeOutsidePrefix;

impl Sinner for DeclaresRangeOutsidePrefix {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        let pool = Pool::new("sins");
        pool.add_range(PoolRange::new(prefix(sin(0), 24), range(sin(10), v4(10, 66, 1, 10))));
        Ok(vec![pool])
    }
}

hostile_guests::policy!(DeclaresRangeOutsidePrefix);
