//! Lists the files that `policy new` writes, so that ginghamctl carries them: it works without this repository.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator as _};
use wit_bindgen_rust::{Opts, WithOption};

/// The constants, and the files and directories below `sdk` that they hold.
const EMBEDDED: [(&str, &[&str]); 4] = [
    ("TEMPLATES", &["languages/templates"]),
    ("CONTRACT", &["wit"]),
    ("PYTHON", &["languages/python"]),
    ("RUST_SDK", &["Cargo.toml", "src", "wit", "config/Cargo.toml", "config/src"]),
];

/// The modules of the SDK's bindings, and their worlds.
const BINDINGS: [(&str, &str); 4] = [
    ("policy", "policy"),
    ("release_hook", "policy-with-release-hook"),
    ("adoption_hook", "policy-with-adoption-hook"),
    ("cluster", "policy-with-cluster"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let sdk = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).parent().ok_or("no parent directory")?.to_owned();
    let out = PathBuf::from(env::var("OUT_DIR")?);
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
    fs::write(out.join("embedded.rs"), source)?;
    fs::write(out.join("bindings.rs"), bindings(&sdk.join("wit"))?)?;
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

/// `sdk/src/bindings.rs` with what its macros make, with the same options: whoever builds a new policy does not compile
/// the generator, which is two thirds of the work.
fn bindings(wit: &Path) -> Result<String, Box<dyn Error>> {
    let mut source = "//! What `wit/` becomes on the guest's side.\n\
         #![allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]\n"
        .to_owned();
    for (module, world) in BINDINGS {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(wit)?;
        let world = resolve.select_world(&[package], Some(world))?;
        let mut files = Files::default();
        options(module, &resolve).build().generate(&mut resolve, world, &mut files)?;
        let (_, generated) = files.iter().next().ok_or("no bindings were generated")?;
        writeln!(source, "\npub mod {module} {{\n{}\n}}", std::str::from_utf8(generated)?)?;
    }
    Ok(source)
}

fn options(module: &str, resolve: &Resolve) -> Opts {
    let is_base = module == "policy";
    Opts {
        runtime_path: Some("gingham_sdk::private::wit_bindgen::rt".to_owned()),
        export_macro_name: Some(format!("export_{module}")),
        pub_export_macro: true,
        default_bindings_module: Some(format!("gingham_sdk::private::bindings::{module}")),
        type_section_suffix: Some(module.replace('_', "-")),
        generate_unused_types: is_base,
        generate_all: true,
        with: if is_base { Vec::new() } else { types_of_policy(resolve) },
        ..Opts::default()
    }
}

/// The interfaces of the world `policy`, which the other worlds share.
fn types_of_policy(resolve: &Resolve) -> Vec<(String, WithOption)> {
    let own = ["allocator", "release-hook", "adoption-hook", "cluster", "shares"];
    let names =
        resolve.interfaces.iter().filter_map(|(id, interface)| Some((resolve.id_of(id)?, interface.name.as_ref()?)));
    let shared = names.filter(|(_, name)| !own.contains(&name.as_str()));
    shared
        .map(|(id, name)| {
            let module = name.replace('-', "_");
            (id, WithOption::Path(format!("super::policy::gingham::ipam::{module}")))
        })
        .collect()
}
