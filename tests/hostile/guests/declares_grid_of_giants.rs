//! Declares blocks that are larger than the range.

use hostile_guests::{Grid, Problem, Sinner, grid};

struct DeclaresGridOfGiants;

impl Sinner for DeclaresGridOfGiants {
    fn blocks(_config: &str) -> Result<Vec<Grid>, Vec<Problem>> {
        Ok(vec![grid(66, 8)])
    }
}

hostile_guests::policy!(DeclaresGridOfGiants with blocks);
