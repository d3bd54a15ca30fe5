//! What others wrote, taken with care: [`text`] on its way to a terminal or a log, and [`file`]s.

pub mod file;
pub mod text;
