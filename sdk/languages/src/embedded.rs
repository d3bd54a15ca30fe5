//! The files that travel inside this crate: path and text, see `build.rs`.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The bindings of the Rust SDK without macros.
pub(crate) static RUST_BINDINGS: &str = include_str!(concat!(env!("OUT_DIR"), "/bindings.rs"));
