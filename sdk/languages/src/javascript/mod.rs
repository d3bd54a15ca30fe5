//! JavaScript: `QuickJS` and a policy in Rust that runs JavaScript, compiled once and kept in `javascript/prebuilt`. A
//! policy's modules are evaluated in it, and what memory then holds becomes part of the component. No program is run.

mod component;
mod engine;
mod load;
mod snapshot;

use std::path::Path;

pub use load::JavaScriptError;

use crate::template::File;
use crate::toolchain::{Messages, Toolchain, ToolchainError};
use crate::{DebugInformation, Kind, Manifest, PolicyName, Program};

pub(crate) struct JavaScript;

/// The policy's own module.
const MAIN: &str = "policy.js";

impl Toolchain for JavaScript {
    fn files(&self, _: &PolicyName, _: Kind) -> Result<Vec<File>, ToolchainError> {
        Ok(Vec::new())
    }

    fn programs(&self) -> &'static [Program] {
        &[]
    }

    fn build(
        &self,
        directory: &Path,
        _: &Manifest,
        _: DebugInformation,
        _: Messages,
    ) -> Result<Vec<u8>, ToolchainError> {
        Ok(load::load(directory, MAIN).and_then(|loaded| Ok(component::of(&loaded)?))?)
    }
}
