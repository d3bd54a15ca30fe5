//! `cargo run -p gingham-manifests`: writes `gingham.yaml` and `chart/` from `base/`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    match gingham_manifests::generated(directory).and_then(|files| gingham_manifests::write(directory, &files)) {
        Ok(written) => {
            println!("{written} files were out of date");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("gingham-manifests: {error}");
            ExitCode::FAILURE
        }
    }
}
