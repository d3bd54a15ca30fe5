//! A component of many modules becomes one module. componentize-py links libraries when an instance starts, by tables of
//! addresses and functions that every import goes through. All of that is known once its snapshot is taken.

mod component;
mod encode;
mod memory;
mod module;
mod reachable;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use component::{Component, Definition};
use encode::Linked;
use reachable::Reachable;
use wasm_encoder::{Module, ProducersField, ProducersSection, reencode};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::contract;

/// What the names of the contract's interfaces begin with.
const INTERFACES: &str = "gingham:ipam/";

/// The exports of a module that the component model calls begin with one of these.
const CANONICAL: [&str; 2] = ["cabi_", INTERFACES];

/// What of a component cannot be linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("it cannot be read: {0}")]
    Damaged(#[from] wasmparser::BinaryReaderError),
    #[error("it has {what}")]
    Unexpected { what: &'static str },
    #[error("no module defines {name} of {module}")]
    Missing { module: String, name: String },
    #[error("it cannot be written: {reason}")]
    Encode { reason: String },
}

impl From<reencode::Error<LinkError>> for LinkError {
    fn from(error: reencode::Error<LinkError>) -> Self {
        match error {
            reencode::Error::UserError(error) => error,
            error => Self::Encode { reason: error.to_string() },
        }
    }
}

impl From<reencode::Error> for LinkError {
    fn from(error: reencode::Error) -> Self {
        Self::Encode { reason: error.to_string() }
    }
}

/// The component again, of one module. `wit` is the directory of the world that it is made for.
pub(crate) fn component(component: &[u8], wit: &Path, tool: (&str, &str)) -> Result<Vec<u8>, LinkError> {
    let mut module = link(component)?;
    let mut producers = ProducersSection::new();
    producers.field("processed-by", ProducersField::new().value(tool.0, tool.1));
    module.section(&producers);
    let mut module = module.finish();
    let encode = |error: &dyn fmt::Display| LinkError::Encode { reason: format!("{error:#}") };
    let mut resolve = Resolve::default();
    let world = resolve.push_dir(wit).and_then(|(package, _)| resolve.select_world(&[package], Some(contract::WORLD)));
    let world = world.map_err(|error| encode(&error))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(|error| encode(&error))?;
    gingham_build::encode(&module).map_err(|error| encode(&error))
}

/// The one module, with the imports and exports that a component is made from.
fn link(component: &[u8]) -> Result<Module, LinkError> {
    let component = Component::read(component)?;
    let mut exports: Vec<(&str, Definition<'_>)> = Vec::new();
    for (instance, module) in component.instances() {
        // The bindings are the module that has imports of the host.
        if !module.imports.iter().any(|import| import.module.starts_with(INTERFACES)) {
            continue;
        }
        for (name, (kind, index)) in &module.exports {
            if CANONICAL.iter().any(|prefix| name.starts_with(prefix)) {
                exports.push((name, component.definition(instance, *kind, *index)?));
            }
        }
    }
    if exports.is_empty() {
        return Err(LinkError::Unexpected { what: "no export of the contract" });
    }
    exports.sort_unstable();
    let roots: Vec<Definition<'_>> = exports.iter().map(|(_, definition)| *definition).collect();
    let reachable = Reachable::from(&component, &roots)?;
    Linked::new(&component, &reachable)?.encode(&exports)
}
