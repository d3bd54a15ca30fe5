use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot build for {target}: {reason}; install the target with rustup target add {target}")]
    Build { target: String, reason: String },
    #[error("unknown target {target}: expected x86_64-… or aarch64-…")]
    Target { target: String },
    #[error("{path} is not a program for {architecture}: build it for that target")]
    OtherArchitecture { path: PathBuf, architecture: &'static str },
    #[error("{path} wants the interpreter of shared libraries, and the image has none: link it statically")]
    Dynamic { path: PathBuf },
    #[error("{name}: the entry has {size} bytes, and an archive takes less than 8 GiB")]
    TooLarge { name: String, size: usize },
}
