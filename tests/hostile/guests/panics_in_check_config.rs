//! Panics while it reads its configuration.

use hostile_guests::{Pool, Problem, Sinner};

struct PanicsInCheckConfig;

impl Sinner for PanicsInCheckConfig {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        panic!("this config is unreadable");
    }
}

hostile_guests::policy!(PanicsInCheckConfig);
