//! Builds the built-in policies as components and compiles them to machine code for the baseline processor.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use gingham_engine::compile::Compiler;
use gingham_engine::library::Digest;

/// The names of the built-in policies: each is a crate in `policies/`.
const POLICIES: [&str; 2] = ["host-local", "weave-split"];

/// An error that is returned would be shown as a value of Rust; people get a sentence.
fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the built-in policies cannot be built: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    let manifest_dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = manifest_dir.ancestors().nth(2).ok_or("host/builtin is not two levels below the workspace")?;
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    let sources =
        ["sdk/src", "sdk/config/src", "sdk/Cargo.toml", "sdk/config/Cargo.toml", "sdk/wit"].map(PathBuf::from);
    for watched in POLICIES.map(|name| Path::new("policies").join(name)).into_iter().chain(sources) {
        println!("cargo:rerun-if-changed={}", root.join(watched).display());
    }
    let compiler = Compiler::new()?;
    let mut table = String::from("&[\n");
    let mut components = String::from("&[\n");
    for name in POLICIES {
        write!(table, "{}", built_in(&compiler, root, &out_dir, name)?)?;
        writeln!(components, r#"("{name}", include_bytes!(concat!(env!("OUT_DIR"), "/{name}.wasm"))),"#)?;
    }
    table.push(']');
    components.push(']');
    fs::write(out_dir.join("table.rs"), table)?;
    fs::write(out_dir.join("components.rs"), components)?;
    Ok(())
}

fn built_in(compiler: &Compiler, root: &Path, out_dir: &Path, name: &str) -> Result<String, Box<dyn Error>> {
    let component = gingham_build::build_policy(&root.join("policies").join(name))?;
    let built = compiler.compile(&component.bytes)?;
    fs::write(out_dir.join(format!("{name}.wasm")), &component.bytes)?;
    fs::write(out_dir.join(format!("{name}.cwasm")), &built.artefact)?;
    Ok(format!(
        r#"BuiltIn {{
            name: "{name}",
            digest: "{}",
            has_release: {},
            artefact: {{
                const FILE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/{name}.cwasm"));
                static CODE: Pages<{{ FILE.len() }}> = Pages(*include_bytes!(concat!(env!("OUT_DIR"), "/{name}.cwasm")));
                &CODE.0
            }},
        }},
        "#,
        Digest::of(&component.bytes),
        built.surface.has_release(),
    ))
}
