//! The simulated clusters of `gingham-simulation` with what a node really has: the engine's ledger, and the component of
//! `weave-split`, which proposes blocks and chooses addresses. A crate of its own, so that the simulation of the ownership
//! rules is built without Wasm.

pub mod ledger_disk;
pub mod weave_split;
