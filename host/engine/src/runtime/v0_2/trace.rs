//! Every host call of a policy, for tools: a second link, whose functions report what they are called with and what they
//! return. The plugin is built without it.

mod shown;

use wasmtime::component::{HasData, Linker, Resource};

use super::bindings::gingham::ipam::addresses::{Dns, IpAddress, IpPrefix, IpRange};
use super::bindings::gingham::ipam::context::Fact;
use super::bindings::gingham::ipam::{
    addresses, answers, context, events, leases, log, pools, request, reservations, shares, state,
};
use crate::attachment::{Adopted, Answer, Context, Ended, Owner, Problem, Refusal, Request, Route};
use crate::ledger::Reservation;
use crate::pool::{Pool, PoolRange};
use crate::runtime::contract::Imports;
use crate::runtime::observer::HostCall;
use crate::runtime::state::HostState;
use crate::runtime::view::{FormerHolderInfo, LeaseInfo};
use shown::Shown;

type Pairs = Vec<(String, String)>;
type Mac = (u8, u8, u8, u8, u8, u8);

/// The host, reporting.
pub(super) struct Traced<'a>(&'a mut HostState);

struct HasTraced;

impl HasData for HasTraced {
    type Data<'a> = Traced<'a>;
}

/// The same imports as without a trace.
pub(super) fn link(linker: &mut Linker<HostState>, imports: &Imports) -> wasmtime::Result<()> {
    macro_rules! link {
        ($($interface:ident)*) => {
            $(if imports.has(stringify!($interface)) {
                $interface::add_to_linker::<_, HasTraced>(linker, |state| Traced(state))?;
            })*
        };
    }
    link!(addresses context request pools answers leases state reservations events shares log);
    Ok(())
}

/// Functions that call the host's own of the same name and report it: `leases.next-free`. Drops are not reported: what a
/// policy does with its handles is not what its author looks for.
macro_rules! traced {
    ($(
        $prefix:literal $kind:path {
            $(fn $function:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*
            $(drop($resource:ty);)?
        }
    )*) => {
        $(impl $kind for Traced<'_> {
            $(fn $function(&mut self, $($argument: $type),*) -> wasmtime::Result<traced!(@result $($result)?)> {
                let arguments = vec![$($argument.shown(&self.0.table)),*];
                let result = <HostState as $kind>::$function(self.0, $($argument),*);
                self.report(concat!($prefix, stringify!($function)), arguments, &result);
                result
            })*
            $(fn drop(&mut self, resource: $resource) -> wasmtime::Result<()> {
                <HostState as $kind>::drop(self.0, resource)
            })?
        })*
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

impl addresses::Host for Traced<'_> {}
impl context::Host for Traced<'_> {}
impl request::Host for Traced<'_> {}
impl pools::Host for Traced<'_> {}
impl answers::Host for Traced<'_> {}
impl events::Host for Traced<'_> {}

traced! {
    "route." addresses::HostRoute {
        fn new(destination: IpPrefix) -> Resource<Route>;
        fn set_gateway(route: Resource<Route>, gateway: IpAddress);
        fn set_mtu(route: Resource<Route>, bytes: u32);
        fn set_advmss(route: Resource<Route>, bytes: u32);
        fn set_priority(route: Resource<Route>, metric: u32);
        fn set_table(route: Resource<Route>, number: u32);
        fn set_scope(route: Resource<Route>, scope: u32);
        drop(Resource<Route>);
    }
    "context." context::HostContext {
        fn network_name(context: Resource<Context>) -> String;
        fn node_name(context: Resource<Context>) -> String;
        fn node_label(context: Resource<Context>, key: String) -> Fact;
        fn node_labels(context: Resource<Context>) -> Option<Pairs>;
        drop(Resource<Context>);
    }
    "owner." request::HostOwner {
        fn kind(owner: Resource<Owner>) -> String;
        fn name(owner: Resource<Owner>) -> String;
        fn uid(owner: Resource<Owner>) -> String;
        drop(Resource<Owner>);
    }
    "request." request::HostRequest {
        fn requester(request: Resource<Request>) -> request::Requester;
        fn container_id(request: Resource<Request>) -> String;
        fn interface_name(request: Resource<Request>) -> String;
        fn pod_namespace(request: Resource<Request>) -> Fact;
        fn pod_name(request: Resource<Request>) -> Fact;
        fn pod_uid(request: Resource<Request>) -> Fact;
        fn service_account(request: Resource<Request>) -> Fact;
        fn owner(request: Resource<Request>) -> request::OwnerFact;
        fn pod_label(request: Resource<Request>, key: String) -> Fact;
        fn pod_labels(request: Resource<Request>) -> Option<Pairs>;
        fn pod_annotation(request: Resource<Request>, key: String) -> Fact;
        fn pod_annotations(request: Resource<Request>) -> Option<Pairs>;
        fn namespace_label(request: Resource<Request>, key: String) -> Fact;
        fn namespace_labels(request: Resource<Request>) -> Option<Pairs>;
        fn namespace_annotation(request: Resource<Request>, key: String) -> Fact;
        fn namespace_annotations(request: Resource<Request>) -> Option<Pairs>;
        fn cni_arg(request: Resource<Request>, key: String) -> Option<String>;
        fn cni_args(request: Resource<Request>) -> Pairs;
        fn args_label(request: Resource<Request>, key: String) -> Option<String>;
        fn args_labels(request: Resource<Request>) -> Pairs;
        fn requested_addresses(request: Resource<Request>) -> Vec<IpAddress>;
        fn mac(request: Resource<Request>) -> Option<Mac>;
        fn resolv_conf(request: Resource<Request>) -> Option<Dns>;
        fn now(request: Resource<Request>) -> u64;
        fn seed(request: Resource<Request>) -> u64;
        drop(Resource<Request>);
    }
    "pool-range." pools::HostPoolRange {
        fn new(prefix: IpPrefix, range: IpRange) -> Resource<PoolRange>;
        fn set_gateway(range: Resource<PoolRange>, gateway: IpAddress);
        fn allow_network_address(range: Resource<PoolRange>);
        fn allow_broadcast_address(range: Resource<PoolRange>);
        fn set_draining(range: Resource<PoolRange>);
        drop(Resource<PoolRange>);
    }
    "pool." pools::HostPool {
        fn new(name: String) -> Resource<Pool>;
        fn add_range(pool: Resource<Pool>, range: Resource<PoolRange>);
        drop(Resource<Pool>);
    }
    "answer." answers::HostAnswer {
        fn new() -> Resource<Answer>;
        fn add_address(answer: Resource<Answer>, address: IpPrefix, gateway: Option<IpAddress>);
        fn add_route(answer: Resource<Answer>, route: Resource<Route>);
        fn set_dns(answer: Resource<Answer>, dns: Dns);
        fn set_reason(answer: Resource<Answer>, reason: String);
        drop(Resource<Answer>);
    }
    "problem." answers::HostProblem {
        fn new(key: String, message: String) -> Resource<Problem>;
        drop(Resource<Problem>);
    }
    "refusal." answers::HostRefusal {
        fn exhausted(message: String) -> Resource<Refusal>;
        fn unavailable(message: String) -> Resource<Refusal>;
        fn try_again(message: String, after_ms: Option<u64>) -> Resource<Refusal>;
        fn denied(message: String) -> Resource<Refusal>;
        fn invalid_config(problem: Resource<Problem>) -> Resource<Refusal>;
        fn other(message: String) -> Resource<Refusal>;
        drop(Resource<Refusal>);
    }
    "leases." leases::Host {
        fn next_free(within: IpRange, after: Option<IpAddress>) -> Option<IpAddress>;
        fn state(address: IpAddress) -> leases::AddressState;
        fn holder(address: IpAddress) -> Option<Resource<LeaseInfo>>;
        fn last_holder(address: IpAddress) -> Option<Resource<FormerHolderInfo>>;
        fn used_count(within: IpRange) -> u64;
        fn free_count(within: IpRange) -> u64;
        fn list(within: IpRange, after: Option<IpAddress>, limit: u32) -> Vec<Resource<LeaseInfo>>;
        fn of_namespace(namespace: String, after: Option<IpAddress>, limit: u32) -> Vec<Resource<LeaseInfo>>;
        fn count_of_namespace(namespace: String) -> u64;
        fn free_ranges(within: IpRange, after: Option<IpAddress>, limit: u32) -> Vec<IpRange>;
    }
    "lease." leases::HostLease {
        fn address(lease: Resource<LeaseInfo>) -> IpAddress;
        fn container_id(lease: Resource<LeaseInfo>) -> String;
        fn interface_name(lease: Resource<LeaseInfo>) -> String;
        fn since(lease: Resource<LeaseInfo>) -> u64;
        fn pod_namespace(lease: Resource<LeaseInfo>) -> Option<String>;
        fn pod_name(lease: Resource<LeaseInfo>) -> Option<String>;
        fn reason(lease: Resource<LeaseInfo>) -> Option<String>;
        drop(Resource<LeaseInfo>);
    }
    "former-holder." leases::HostFormerHolder {
        fn container_id(holder: Resource<FormerHolderInfo>) -> String;
        fn interface_name(holder: Resource<FormerHolderInfo>) -> String;
        fn pod_namespace(holder: Resource<FormerHolderInfo>) -> Option<String>;
        fn pod_name(holder: Resource<FormerHolderInfo>) -> Option<String>;
        fn freed_at(holder: Resource<FormerHolderInfo>) -> u64;
        drop(Resource<FormerHolderInfo>);
    }
    "state." state::Host {
        fn get(key: String) -> Option<Vec<u8>>;
        fn set(key: String, value: Vec<u8>) -> Result<(), state::StateError>;
        fn delete(key: String);
        fn keys(prefix: String, after: Option<String>) -> Vec<String>;
    }
    "reservations." reservations::Host {
        fn find(key: String) -> Vec<Resource<Reservation>>;
        fn on_address(address: IpAddress) -> Option<Resource<Reservation>>;
        fn reserve(key: String, address: IpAddress, for_ms: u64) -> Result<(), reservations::ReservationError>;
        fn end(key: String);
    }
    "reservation." reservations::HostReservation {
        fn key(reservation: Resource<Reservation>) -> String;
        fn address(reservation: Resource<Reservation>) -> IpAddress;
        fn until(reservation: Resource<Reservation>) -> u64;
        drop(Resource<Reservation>);
    }
    "ended." events::HostEnded {
        fn container_id(ended: Resource<Ended>) -> String;
        fn interface_name(ended: Resource<Ended>) -> String;
        fn addresses(ended: Resource<Ended>) -> Vec<IpAddress>;
        fn pod_namespace(ended: Resource<Ended>) -> Fact;
        fn pod_name(ended: Resource<Ended>) -> Fact;
        fn now(ended: Resource<Ended>) -> u64;
        drop(Resource<Ended>);
    }
    "adopted." events::HostAdopted {
        fn addresses(adopted: Resource<Adopted>, after: Option<IpAddress>, limit: u32) -> Vec<IpAddress>;
        fn last_reserved(adopted: Resource<Adopted>) -> Vec<(u32, IpAddress)>;
        fn now(adopted: Resource<Adopted>) -> u64;
        drop(Resource<Adopted>);
    }
    "shares." shares::Host {
        fn me() -> String;
        fn members() -> Vec<String>;
        fn next_unclaimed(within: IpRange, after: Option<IpAddress>) -> Option<IpPrefix>;
        fn unclaimed_count(within: IpRange) -> u64;
        fn claimed() -> Vec<IpPrefix>;
        fn holder(address: IpAddress) -> Option<String>;
    }
    "log." log::Host {
        fn log(level: log::Level, message: String);
    }
}
