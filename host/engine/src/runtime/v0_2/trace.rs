//! Every host call of a policy, for tools: a second link, whose functions report what they are called with and what they
//! return. The plugin is built without it.

mod shown;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};

use super::bindings::gingham::ipam::addresses::{Dns, IpAddress, IpPrefix, IpRange};
use super::bindings::gingham::ipam::context::Fact;
use super::bindings::gingham::ipam::{
    addresses, answers, context, events, leases, log, pools, request, reservations, shares, state,
};
use crate::attachment::{Adopted, Answer, Context, Ended, Owner, Problem, Refusal, Request, Route};
use crate::ledger::Reservation;
use crate::pool::{Pool, PoolRange};
use crate::runtime::imports::Imports;
use crate::runtime::observer::HostCall;
use crate::runtime::state::HostState;
use crate::runtime::view::{FormerHolderInfo, LeaseInfo};
use shown::Shown;

type Pairs = Vec<(String, String)>;
type Mac = (u8, u8, u8, u8, u8, u8);

/// The host, reporting.
pub(super) struct Traced<'a>(&'a mut HostState);

/// The same imports as without a trace.
pub(super) fn link(linker: &mut Linker<HostState>, imports: &Imports) -> wasmtime::Result<()> {
    host_functions!(link_imported(linker, imports, Traced));
    Ok(())
}

/// Functions that call the host's own of the same name and report it: `leases.next-free`. Drops are not reported: what a
/// policy does with its handles is not what its author looks for.
macro_rules! traced {
    (() $($interface:ident {
        $($owner:literal $kind:ident {
            $(fn $function:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*
            $(drop($resource:ty);)?
        })*
    })*) => {
        $($(impl $interface::$kind for Traced<'_> {
            $(fn $function(&mut self, $($argument: $type),*) -> wasmtime::Result<traced!(@result $($result)?)> {
                let arguments = vec![$($argument.shown(&self.0.table)),*];
                let result = <HostState as $interface::$kind>::$function(self.0, $($argument),*);
                self.report(concat!($owner, ".", stringify!($function)), arguments, &result);
                result
            })*
            $(fn drop(&mut self, resource: Resource<$resource>) -> wasmtime::Result<()> {
                <HostState as $interface::$kind>::drop(self.0, resource)
            })?
        })*)*
    };
    (@result) => { () };
    (@result $result:ty) => { $result };
}

impl Traced<'_> {
    fn report<T: Shown>(&mut self, function: &str, arguments: Vec<String>, result: &wasmtime::Result<T>) {
        let Some(observer) = &self.0.observer else { return };
        let result = match result {
            Ok(value) => Ok(value.shown(&self.0.table)),
            Err(error) => Err(error.root_cause().to_string()),
        };
        observer.host_called(HostCall { function: function.replace('_', "-"), arguments, result });
    }
}

host_functions!(traced());
