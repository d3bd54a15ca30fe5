//! The container image: a layer with three static programs, in the layout of the Open Container Initiative.

mod archive;
mod error;
mod image;
mod platform;

pub use error::ImageError;
pub use image::{Image, digest};
pub use platform::Platform;
