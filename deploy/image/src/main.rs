//! `cargo image`: builds the static programs and writes the image.

mod build;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gingham_image::{Image, ImageError, Platform, digest};

/// Build Gingham's container image, without a container daemon.
#[derive(Debug, Parser)]
#[command(after_help = "\
Builds the plugin, the agent and the admin CLI, statically linked, and writes a tar archive that is an OCI layout and can be
loaded by Docker, too. The same sources and toolchain give the same bytes. A target needs `rustup target add TARGET` and
a C compiler for the lease store: Debian's musl-tools for x86_64 on x86_64, gcc-aarch64-linux-gnu and
libc6-dev-arm64-cross for aarch64. CC_<target> names another one.

Examples:
  cargo image
  cargo image --target x86_64-unknown-linux-musl --target aarch64-unknown-linux-musl
  ctr --namespace k8s.io image import target/gingham-image.tar")]
struct Cli {
    /// A target to build for; repeat it for an image of several architectures
    #[arg(long, value_name = "TARGET", default_value = "x86_64-unknown-linux-musl")]
    target: Vec<String>,
    /// The image's name
    #[arg(long, value_name = "NAME", default_value = concat!("gingham:", env!("CARGO_PKG_VERSION")))]
    name: String,
    /// Do not build: the directory has gingham, gingham-node and ginghamctl
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// The archive to write
    #[arg(long, value_name = "FILE", default_value = "target/gingham-image.tar")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gingham-image: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), ImageError> {
    let mut image = Image::new(&cli.name);
    for target in &cli.target {
        let platform = Platform::of_target(target)?;
        let directory = match &cli.programs {
            Some(directory) => directory.clone(),
            None => build::programs(target)?,
        };
        for (program, size) in image.add(platform, &directory)? {
            println!("{}: {program}, {}", platform.architecture, megabytes(size));
        }
    }
    let archive = image.archive()?;
    fs::write(&cli.out, &archive).map_err(|source| ImageError::Io {
        operation: "write",
        path: cli.out.clone(),
        source,
    })?;
    println!("wrote {}, {}, sha256:{}", cli.out.display(), megabytes(archive.len()), digest(&archive));
    Ok(())
}

fn megabytes(bytes: usize) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}
