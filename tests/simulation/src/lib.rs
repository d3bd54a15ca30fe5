//! Whole clusters in one thread: the tasks of ownership on every node, a store that loses, delays, repeats and reorders,
//! machines that die, come back, or start from an old image of their disk. After every step it is checked that nothing is
//! wrong; `docs/simulation.md` says what that means.
//!
//! - [`run`]: a case, runs at random from a seed, replays, shrinking.
//! - [`world`]: what each [`decision`] does; [`truth`]: what must always hold.
//! - [`scale`]: a large cluster from its first join to the death of some nodes, with figures.
//! - [`model`]: every possible order of things in a very small cluster.

pub mod chooser;
pub mod command;
pub mod decision;
pub mod disk;
pub mod driver;
pub mod machine;
pub mod model;
pub mod process;
pub mod properties;
pub mod random;
pub mod report;
pub mod run;
pub mod scale;
pub mod setup;
pub mod truth;
pub mod world;
