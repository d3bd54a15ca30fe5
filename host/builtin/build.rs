//! Builds the built-in policies as components and compiles them to machine code for the baseline processor of the target.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use gingham_engine::compile::{CompileError, Compiled, Compiler};
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
    let processor = Processor::of_the_target()?;
    let mut table = String::from("&[\n");
    let mut components = String::from("&[\n");
    for name in POLICIES {
        write!(table, "{}", built_in(&processor, root, &out_dir, name)?)?;
        writeln!(components, r#"("{name}", include_bytes!(concat!(env!("OUT_DIR"), "/{name}.wasm"))),"#)?;
    }
    table.push(']');
    components.push(']');
    fs::write(out_dir.join("table.rs"), table)?;
    fs::write(out_dir.join("components.rs"), components)?;
    Ok(())
}

/// Whose machine code the policies become.
enum Processor {
    Ours(Compiler),
    Another(Compiler),
}

impl Processor {
    fn of_the_target() -> Result<Self, Box<dyn Error>> {
        let architecture = env::var("CARGO_CFG_TARGET_ARCH")?;
        if architecture == env::consts::ARCH {
            return Ok(Self::Ours(Compiler::new()?));
        }
        let library = env::var("CARGO_CFG_TARGET_ENV")?;
        let compiler = Compiler::for_target(&format!("{architecture}-unknown-linux-{library}"));
        Ok(Self::Another(compiler.map_err(|error| {
            format!("{error}. For another processor the feature `every-processor` of gingham-builtin is needed")
        })?))
    }

    fn compile(&self, component: &[u8]) -> Result<Compiled, CompileError> {
        match self {
            Self::Ours(compiler) => compiler.compile(component),
            Self::Another(compiler) => compiler.compile_without_a_start(component),
        }
    }
}

fn built_in(processor: &Processor, root: &Path, out_dir: &Path, name: &str) -> Result<String, Box<dyn Error>> {
    let component = gingham_build::build_policy(&root.join("policies").join(name))?;
    let built = processor.compile(&component.bytes)?;
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
