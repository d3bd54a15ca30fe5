//! What a policy sees is what the guard agrees with.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fixtures;
mod guard;
mod model;
mod reservations;
mod view;
