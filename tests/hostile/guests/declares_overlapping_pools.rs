//! Declares two pools with common addresses.

use hostile_guests::{Pool, Problem, Sinner, add_range, pool};

struct DeclaresOverlappingPools;

impl Sinner for DeclaresOverlappingPools {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        let second = Pool::new("second");
        add_range(&second, 66, 100, 200);
        Ok(vec![pool("first", 66), second])
    }
}

hostile_guests::policy!(DeclaresOverlappingPools);
