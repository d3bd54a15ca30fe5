//! Declares two pools beside each other, in one and the same grid.

use hostile_guests::{Grid, Pool, Problem, Sinner, add_range, grid};

struct DeclaresOverlappingGrids;

impl Sinner for DeclaresOverlappingGrids {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        let (lower, upper) = (Pool::new("lower"), Pool::new("upper"));
        add_range(&lower, 66, 0, 127);
        add_range(&upper, 66, 128, 255);
        Ok(vec![lower, upper])
    }

    fn blocks(_config: &str) -> Result<Vec<Grid>, Vec<Problem>> {
        Ok(vec![grid(66, 28), grid(66, 28)])
    }
}

hostile_guests::policy!(DeclaresOverlappingGrids with blocks);
