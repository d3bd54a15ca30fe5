//! Lists the files that `policy new` writes, so that ginghamctl carries them: it works without this repository.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The constant, and the files and directories below `sdk` that it holds.
const EMBEDDED: [(&str, &[&str]); 3] = [
    ("TEMPLATES", &["languages/templates"]),
    ("CONTRACT", &["wit"]),
    ("RUST_SDK", &["Cargo.toml", "src", "wit", "config/Cargo.toml", "config/src"]),
];

fn main() -> Result<(), Box<dyn Error>> {
    let sdk = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).parent().ok_or("no parent directory")?.to_owned();
    let mut source = String::new();
    for (name, roots) in EMBEDDED {
        writeln!(source, "pub(crate) static {name}: &[(&str, &str)] = &[")?;
        for root in roots {
            let base = if sdk.join(root).is_dir() && roots.len() == 1 { sdk.join(root) } else { sdk.clone() };
            println!("cargo:rerun-if-changed={}", sdk.join(root).display());
            for file in files(&sdk.join(root))? {
                let path = file.strip_prefix(&base)?.display().to_string();
                writeln!(source, "    ({path:?}, include_str!({:?})),", file.display().to_string())?;
            }
        }
        writeln!(source, "];")?;
    }
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("embedded.rs"), source)?;
    Ok(())
}

/// In an order that does not depend on the file system.
fn files(root: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if !root.is_dir() {
        return Ok(vec![root.to_owned()]);
    }
    let mut entries = fs::read_dir(root)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    entries.sort();
    let nested = entries.iter().map(|entry| files(entry)).collect::<Result<Vec<_>, _>>()?;
    Ok(nested.concat())
}
