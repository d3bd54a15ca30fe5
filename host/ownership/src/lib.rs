//! Who holds which block of a cluster's range: the rules, without a network and without a policy.
//!
//! Records in a [`shared_store`] are the truth ([`record`], read together as [`cluster`]); what a node may use without
//! asking is in its own durable [`local`] state. What is done to both is a [`task`]: a small machine that says which call
//! it wants carried out and is told the reply. Its caller does the waiting, the locking and the writing to disk, so the
//! plugin, the companion, the tool, the simulation and the model check run the same code.
//!
//! | task         | what it does                                                                |
//! |--------------|-----------------------------------------------------------------------------|
//! | [`join`]     | registers this node's present life and takes back the blocks it held before |
//! | [`claim`]    | gets one more block                                                         |
//! | [`release`]  | gives blocks back                                                           |
//! | [`sync`]     | brings the local state up to the store's                                    |
//! | [`beat`]     | shows that this node lives                                                  |
//! | [`leave`]    | gives up everything, for good                                               |
//! | [`takeover`] | ends the membership of a node that is gone                                  |
//!
//! # Why no block is ever held twice
//!
//! A node hands out addresses of a block only while its local state says [`Held`](local::BlockState::Held), and that
//! implies that the store has the node's live record for it. Whatever takes the record away (the node's own delete, or
//! the end of this life of the node) comes after the local state let go of it. Each of the [`rules`] closes one gap in
//! that sentence.

pub mod address;
pub mod beat;
pub mod claim;
pub mod cluster;
pub mod endpoint;
pub mod error;
pub mod etcd_settings;
pub mod grid;
pub mod join;
pub mod leave;
pub mod local;
pub mod ranges;
pub mod record;
pub mod records;
pub mod release;
pub mod rules;
pub mod shared_store;
mod sighting;
mod standing;
pub mod sync;
pub mod takeover;
pub mod task;

#[cfg(test)]
mod tests;
