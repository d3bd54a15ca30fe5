//! Declares an IPv4 prefix of 33 bits.

use hostile_guests::{Pool, PoolRange, Problem, Sinner, prefix, range, sin};

struct DeclaresOverlongPrefix;

impl Sinner for DeclaresOverlongPrefix {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        let pool = Pool::new("sins");
        pool.add_range(PoolRange::new(prefix(sin(0), 33), range(sin(10), sin(20))));
        Ok(vec![pool])
    }
}

hostile_guests::policy!(DeclaresOverlongPrefix);
