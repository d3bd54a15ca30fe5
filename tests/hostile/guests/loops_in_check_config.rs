//! Never stops reading its configuration.

use hostile_guests::{Pool, Problem, Sinner};

struct LoopsInCheckConfig;

impl Sinner for LoopsInCheckConfig {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        let mut turns = 0_u64;
        loop {
            turns = core::hint::black_box(turns.wrapping_add(1));
        }
    }
}

hostile_guests::policy!(LoopsInCheckConfig);
