//! C: bindings made by wit-bindgen, a small library over them, and clang with wasi-libc.

mod bindings;
mod compiler;
mod imports;

use std::path::Path;
use std::{fs, io};

use crate::template::File;
use crate::toolchain::{Toolchain, ToolchainError};
use crate::work_directory::WorkDirectory;
use crate::{DebugInformation, Export, Kind, Manifest, Message, Messages, PolicyName, Program};
use bindings::Bindings;
use compiler::{CLANG, LINKER};

pub(crate) struct C;

/// Where the bindings and the library over them are.
const LIBRARY: &str = "gingham";

impl Toolchain for C {
    fn files(&self, _: &PolicyName, kind: Kind) -> Result<Vec<File>, ToolchainError> {
        let bindings = Bindings::of(kind.exports())?;
        let file = |(name, text): (&str, &String)| File { path: format!("{LIBRARY}/{name}"), text: text.clone() };
        Ok(bindings.sources().map(file).collect())
    }

    fn programs(&self) -> &'static [Program] {
        &[CLANG, LINKER]
    }

    fn build(
        &self,
        directory: &Path,
        manifest: &Manifest,
        debug: DebugInformation,
        messages: Messages,
    ) -> Result<Vec<u8>, ToolchainError> {
        let bindings = Bindings::of(&manifest.exports)?;
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| ToolchainError::File { path, source }
        };
        for (name, text) in bindings.sources() {
            let path = directory.join(LIBRARY).join(name);
            write_if_it_differs(&path, text).map_err(at(&path))?;
        }
        let target = directory.join("target");
        let work = WorkDirectory::open(&target).map_err(at(&target))?;
        let contract = work.path().join("contract.o");
        fs::write(&contract, &bindings.contract).map_err(at(&contract))?;
        let module = work.path().join("policy.wasm");
        messages(Message::Status("Compiling"));
        let warnings = compiler::link(directory, manifest, debug, (&contract, &module))?;
        if !warnings.is_empty() {
            messages(Message::Warning(&warnings));
        }
        let module = fs::read(&module).map_err(at(&module))?;
        imports::refuse_foreign(&module)?;
        gingham_build::encode(&module).map_err(|error| ToolchainError::Rust(error.into()))
    }
}

/// The library's source for an optional export.
fn source_of(export: Export) -> String {
    format!("{}.c", export.as_str())
}

/// A file that is written looks changed to editors and to git.
fn write_if_it_differs(path: &Path, text: &str) -> io::Result<()> {
    match fs::read_to_string(path) {
        Ok(there) if there == text => Ok(()),
        _ => fs::write(path, text),
    }
}
