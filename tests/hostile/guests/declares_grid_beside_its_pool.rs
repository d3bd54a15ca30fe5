//! Declares a grid in which none of its addresses lie.

use hostile_guests::{Grid, Problem, Sinner, grid};

struct DeclaresGridBesideItsPool;

impl Sinner for DeclaresGridBesideItsPool {
    fn blocks(_config: &str) -> Result<Vec<Grid>, Vec<Problem>> {
        Ok(vec![grid(67, 28)])
    }
}

hostile_guests::policy!(DeclaresGridBesideItsPool with blocks);
