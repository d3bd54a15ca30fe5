//! The contract `gingham:ipam@0.2`, from the host's side: one file for each interface. Each translates, queries, and
//! translates back.

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

use wasmtime::component::{HasSelf, Linker};

use self::bindings::gingham::ipam as wit;
use super::contract::Imports;
use super::state::HostState;

/// Makes what a policy imports, and nothing else: every function costs each ADD some time.
pub(super) fn link(
    linker: &mut Linker<HostState>,
    imports: &Imports,
    #[cfg_attr(not(feature = "compiler"), expect(unused_variables, reason = "only tools trace"))] traces: bool,
) -> wasmtime::Result<()> {
    #[cfg(feature = "compiler")]
    if traces {
        return trace::link(linker, imports);
    }
    macro_rules! link {
        ($($interface:ident $name:literal)*) => {
            $(if imports.has($name) {
                wit::$interface::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
            })*
        };
    }
    link! {
        addresses "addresses"
        context "context"
        request "request"
        pools "pools"
        answers "answers"
        leases "leases"
        state "state"
        reservations "reservations"
        events "events"
        shares "shares"
        log "log"
    }
    Ok(())
}
