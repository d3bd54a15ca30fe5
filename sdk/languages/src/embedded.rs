//! The files that travel inside this crate: path and text, see `build.rs`.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
