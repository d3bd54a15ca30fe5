//! Declares ten thousand pools.

use hostile_guests::{Pool, PoolRange, Problem, Sinner, prefix, range, v4};

struct DeclaresTooManyPools;

impl Sinner for DeclaresTooManyPools {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        let number = |n: u32| {
            let pool = Pool::new(&format!("pool {n}"));
            let [a, b, c, d] = (0x0a00_0000 + n * 4).to_be_bytes();
            let net = v4(a, b, c, d);
            let only = PoolRange::new(prefix(net, 30), range(net, net));
            only.allow_network_address();
            pool.add_range(only);
            pool
        };
        Ok((0..10_000).map(number).collect())
    }
}

hostile_guests::policy!(DeclaresTooManyPools);
