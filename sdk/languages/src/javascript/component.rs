//! From the loaded module to the component: it exports what the policy's functions are for, and nothing else.

use std::borrow::Cow;

use wasm_encoder::{CustomSection, Module, ProducersField, ProducersSection, RawSection};
use wasmparser::{Parser, Payload};

use super::engine::EngineError;
use super::load::Loaded;

/// The sections in which wit-bindgen writes down what a module is made for begin with this.
const CONTRACT: &str = "component-type:";

/// What ends those of a world's imports alone: the module has all imports, whatever it exports.
const IMPORTS: &str = "-with-all-of-its-exports-removed:";

/// A world of the contract, and a function by which one sees that a policy is made for it.
const WORLDS: [(&str, &str); 3] = [("release-hook", "release"), ("adoption-hook", "adopt"), ("cluster", "nextBlock")];

pub(super) fn of(loaded: &Loaded) -> Result<Vec<u8>, EngineError> {
    let module = with_contract_of(&loaded.module, &loaded.functions).map_err(EngineError::of)?;
    gingham_build::encode(&module).map_err(EngineError::of)
}

/// The module without the worlds that the policy has no functions for.
fn with_contract_of(module: &[u8], functions: &[String]) -> Result<Vec<u8>, wasmparser::BinaryReaderError> {
    let mut kept = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        match &payload {
            Payload::CustomSection(section) if !is_wanted(section.name(), functions) => {}
            Payload::CustomSection(section) => {
                kept.section(&CustomSection { name: section.name().into(), data: Cow::Borrowed(section.data()) });
            }
            payload => {
                if let Some((id, range)) = payload.as_section() {
                    kept.section(&RawSection { id, data: &module[range] });
                }
            }
        }
    }
    // Otherwise only the language of the engine would show.
    let mut producers = ProducersSection::new();
    producers.field("language", ProducersField::new().value("JavaScript", ""));
    kept.section(&producers);
    Ok(kept.finish())
}

fn is_wanted(section: &str, functions: &[String]) -> bool {
    let Some(world) = section.strip_prefix(CONTRACT) else { return true };
    let missing =
        |(name, function): &(&str, &str)| world.contains(name) && !functions.iter().any(|has| has == function);
    world.contains(IMPORTS) || !WORLDS.iter().any(missing)
}
