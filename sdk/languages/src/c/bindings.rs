//! The contract in C.

use wit_bindgen_c::{Enabled, Opts};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::{Resolve, SourceMap};

use crate::contract::{self, WORLD};
use crate::{Export, ToolchainError};

/// What wit-bindgen makes of the world.
pub(super) struct Bindings {
    header: String,
    source: String,
    /// An object file that describes the world to the encoder of components.
    pub(super) contract: Vec<u8>,
}

impl Bindings {
    /// Of a policy with these optional exports.
    pub(super) fn of(exports: &[Export]) -> Result<Self, ToolchainError> {
        let files = generate(exports)?;
        let file = |name: &str| {
            let found = files.iter().find(|(written, _)| *written == name).map(|(_, bytes)| bytes.to_vec());
            found.ok_or_else(|| ToolchainError::Bindings { reason: format!("{name} is missing") })
        };
        let text = |name: &str| Ok::<_, ToolchainError>(String::from_utf8_lossy(&file(name)?).into_owned());
        Ok(Self {
            header: text(&format!("{WORLD}.h"))?,
            source: text(&format!("{WORLD}.c"))?,
            contract: file(&format!("{WORLD}_component_type.o"))?,
        })
    }

    /// Those that are in the policy's directory, for the author and the author's editor.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&'static str, &String)> {
        [("policy.h", &self.header), ("policy.c", &self.source)].into_iter()
    }
}

fn generate(exports: &[Export]) -> Result<Files, ToolchainError> {
    let failed = |error: &dyn std::fmt::Display| ToolchainError::Bindings { reason: format!("{error:#}") };
    let mut resolve = Resolve::default();
    let mut contract = SourceMap::default();
    for (name, text) in contract::files() {
        contract.push_str(name, *text);
    }
    let contract = contract.parse().map_err(|(_, error)| failed(&error))?;
    resolve.push_group(contract).map_err(|error| failed(&error))?;
    let package = resolve.push_source("policy.wit", &contract::world(exports)).map_err(|error| failed(&error))?;
    let world = resolve.select_world(&[package], Some(WORLD)).map_err(|error| failed(&error))?;
    let mut files = Files::default();
    // A borrowed handle that is left at the end of a call is an error of the policy.
    let options = Opts { autodrop_borrows: Enabled::Yes, ..Opts::default() };
    options.build().generate(&mut resolve, world, &mut files).map_err(|error| failed(&error))?;
    Ok(files)
}
