//! Declares more grids than any network has.

use hostile_guests::{Grid, Problem, Sinner, grid};

struct DeclaresCountlessGrids;

impl Sinner for DeclaresCountlessGrids {
    fn blocks(_config: &str) -> Result<Vec<Grid>, Vec<Problem>> {
        Ok(vec![grid(66, 28); 100])
    }
}

hostile_guests::policy!(DeclaresCountlessGrids with blocks);
