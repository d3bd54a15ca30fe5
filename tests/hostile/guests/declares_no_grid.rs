//! Divides a pool without a grid.

use hostile_guests::{Grid, Problem, Sinner};

struct DeclaresNoGrid;

impl Sinner for DeclaresNoGrid {
    fn blocks(_config: &str) -> Result<Vec<Grid>, Vec<Problem>> {
        Ok(Vec::new())
    }
}

hostile_guests::policy!(DeclaresNoGrid with blocks);
