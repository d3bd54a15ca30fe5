//! The contract `gingham:ipam@0.2`, from the host's side: one file for each interface. Each translates, queries, and
//! translates back.

#[macro_use]
mod functions;

mod addresses;
mod answers;
pub(crate) mod bindings;
mod context;
pub(crate) mod convert;
mod events;
mod leases;
mod log;
mod pools;
mod request;
mod reservations;
mod shares;
mod state;
#[cfg(feature = "compiler")]
mod trace;

use wasmtime::component::Linker;

use super::imports::Imports;
use super::state::HostState;

/// Makes what a policy imports.
pub(super) fn link(
    linker: &mut Linker<HostState>,
    imports: &Imports,
    #[cfg_attr(not(feature = "compiler"), expect(unused_variables, reason = "only tools trace"))] traces: bool,
) -> wasmtime::Result<()> {
    #[cfg(feature = "compiler")]
    if traces {
        return trace::link(linker, imports);
    }
    functions::link(linker, imports)
}
