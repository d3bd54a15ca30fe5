//! Whether a component's functions have the contract's types, found out without compiling it.

use std::path::Path;

use wit_parser::{Resolve, SourceMap, WorldId};

use crate::runtime::Surface;

/// The contract, as authors have it.
macro_rules! contract {
    ($($file:literal)*) => {
        [$(($file, include_str!(concat!("../../../sdk/wit/", $file)))),*]
    };
}
const CONTRACT: [(&str, &str); 16] = contract! {
    "addresses.wit" "adoption-hook.wit" "allocator.wit" "answers.wit" "cluster.wit" "context.wit" "events.wit"
    "leases.wit" "log.wit" "pools.wit" "release-hook.wit" "request.wit" "reservations.wit" "shares.wit" "state.wit"
    "world.wit"
};

/// The one version whose types are here. A later 0.2 has more, and wasmtime links it by its own rules.
const VERSION: &str = "@0.2.0";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypeError {
    #[error(
        "its functions do not fit gingham:ipam@0.2.0: {reason}; build it again with bindings of this version's wit/"
    )]
    Misfit { reason: String },
    /// The contract that this program carries is not whole.
    #[error("the contract in this program is damaged ({reason}): a defect in Gingham, please report it")]
    Contract { reason: String },
}

/// # Errors
/// [`TypeError::Misfit`]
pub(crate) fn check(component: &[u8], surface: &Surface) -> Result<(), TypeError> {
    if !surface.imports.iter().chain(&surface.exports).all(|item| item.ends_with(VERSION)) {
        return Ok(());
    }
    let (resolve, world) = world(surface).map_err(|reason| TypeError::Contract { reason })?;
    wit_component::targets(&resolve, world, component).map_err(|error| TypeError::Misfit { reason: reason(&error) })
}

/// The world with all imports, and with the exports that this component has.
fn world(surface: &Surface) -> Result<(Resolve, WorldId), String> {
    let mut sources = SourceMap::default();
    for (name, contents) in CONTRACT {
        sources.push(Path::new(name), contents);
    }
    let mut resolve = Resolve::default();
    let contract = sources.parse().map_err(|(_, error)| error.to_string())?;
    resolve.push_group(contract).map_err(|error| error.to_string())?;
    let exports: String = surface.contract_exports().map(|interface| format!("export {interface};\n")).collect();
    let own = format!(
        "package gingham:host;\nworld tested {{\ninclude gingham:ipam/imports@0.2.0;\nimport gingham:ipam/shares@0.2.0;\n{exports}}}"
    );
    let package = resolve.push_str("tested.wit", &own).map_err(|error| format!("{error:#}"))?;
    let world = resolve.select_world(&[package], None).map_err(|error| format!("{error:#}"))?;
    Ok((resolve, world))
}

/// The validator's lines, from the outermost type to the innermost. The first is about the component made here around it.
fn reason(error: &anyhow::Error) -> String {
    let text = error.root_cause().to_string();
    let text = text.split(" (at offset").next().unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.ends_with("`tested`")).collect();
    lines.join(": ")
}
