//! Who holds which block of a cluster's range: the rules, without a network and without a policy.
//!
//! Records in a [`shared_store`] are the truth ([`record`], read together as a [`snapshot`]); what a node may use
//! without a call is in its own durable [`local`] state. Both are changed by a [`task`]: a small state machine that
//! returns the next call and takes its reply. Its caller does the waiting, the locking and the writing to disk, so the
//! plugin, the agent, the admin CLI, the simulation and the model check run the same code.
//!
//! | task         | what it does                                                                |
//! |--------------|-----------------------------------------------------------------------------|
//! | [`join`]     | registers a new incarnation and takes back the blocks it held before        |
//! | [`claim`]    | gets one more block                                                         |
//! | [`release`]  | gives blocks back                                                           |
//! | [`sync`]     | brings the local state up to the store's                                    |
//! | [`confirm`]  | reads whether this node still is a member                                   |
//! | [`beat`]     | shows that this node lives                                                  |
//! | [`leave`]    | gives up everything, permanently                                               |
//! | [`takeover`] | ends the membership of a node that is gone                                  |
//!
//! # Why no block is ever held twice
//!
//! A node hands out addresses of a block only while its local state says [`Held`](local::BlockState::Held), and that
//! implies that the store has the node's live record for it. Whatever takes the record away (the node's own delete, or
//! the end of this incarnation) comes after the local state let go of it. Each of the [`rules`] closes one gap in
//! that sentence.

pub mod address;
pub mod beat;
pub mod claim;
pub mod confirm;
pub mod endpoint;
pub mod error;
pub mod etcd_settings;
pub mod grid;
pub mod in_memory_store;
pub mod join;
pub mod leave;
pub mod local;
mod membership_state;
mod observation;
pub mod ranges;
pub mod record;
pub mod release;
pub mod rules;
pub mod shared_store;
pub mod snapshot;
pub mod sync;
pub mod takeover;
pub mod task;

#[cfg(test)]
mod tests;
