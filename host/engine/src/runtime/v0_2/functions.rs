//! The functions of the contract that a policy can import: the one list of them, for the link and for its trace.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};

use super::bindings::gingham::ipam::addresses::{Dns, IpAddress, IpPrefix, IpRange};
use super::bindings::gingham::ipam::{
    addresses, answers, context, events, leases, log, pools, request, reservations, shares, state,
};
use crate::attachment::{Adopted, Answer, Context, Ended, Owner, Problem, Refusal, Request, Route};
use crate::ledger::Reservation;
use crate::pool::{Pool, PoolRange};
use crate::runtime::imports::Imports;
use crate::runtime::state::HostState;
use crate::runtime::view::{FormerHolderInfo, LeaseInfo};

/// Hands the list to another macro, by interface and resource.
macro_rules! host_functions {
    ($then:ident $with:tt) => {
        $then! { $with
            addresses {
                "route" HostRoute {
                    fn new(destination: IpPrefix) -> Resource<Route>;
                    fn set_gateway(route: Resource<Route>, gateway: IpAddress);
                    fn set_mtu(route: Resource<Route>, bytes: u32);
                    fn set_advmss(route: Resource<Route>, bytes: u32);
                    fn set_priority(route: Resource<Route>, metric: u32);
                    fn set_table(route: Resource<Route>, number: u32);
                    fn set_scope(route: Resource<Route>, scope: u32);
                    drop(Route);
                }
            }
            context {
                "context" HostContext {
                    fn network_name(context: Resource<Context>) -> String;
                    fn node_name(context: Resource<Context>) -> String;
                    fn node_label(context: Resource<Context>, key: String) -> Fact;
                    fn node_labels(context: Resource<Context>) -> Option<Pairs>;
                    drop(Context);
                }
            }
            request {
                "owner" HostOwner {
                    fn kind(owner: Resource<Owner>) -> String;
                    fn name(owner: Resource<Owner>) -> String;
                    fn uid(owner: Resource<Owner>) -> String;
                    drop(Owner);
                }
                "request" HostRequest {
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
                    drop(Request);
                }
            }
            pools {
                "pool-range" HostPoolRange {
                    fn new(prefix: IpPrefix, range: IpRange) -> Resource<PoolRange>;
                    fn set_gateway(range: Resource<PoolRange>, gateway: IpAddress);
                    fn allow_network_address(range: Resource<PoolRange>);
                    fn allow_broadcast_address(range: Resource<PoolRange>);
                    fn set_draining(range: Resource<PoolRange>);
                    drop(PoolRange);
                }
                "pool" HostPool {
                    fn new(name: String) -> Resource<Pool>;
                    fn add_range(pool: Resource<Pool>, range: Resource<PoolRange>);
                    drop(Pool);
                }
            }
            answers {
                "answer" HostAnswer {
                    fn new() -> Resource<Answer>;
                    fn add_address(answer: Resource<Answer>, address: IpPrefix, gateway: Option<IpAddress>);
                    fn add_route(answer: Resource<Answer>, route: Resource<Route>);
                    fn set_dns(answer: Resource<Answer>, dns: Dns);
                    fn set_reason(answer: Resource<Answer>, reason: String);
                    drop(Answer);
                }
                "problem" HostProblem {
                    fn new(key: String, message: String) -> Resource<Problem>;
                    drop(Problem);
                }
                "refusal" HostRefusal {
                    fn exhausted(message: String) -> Resource<Refusal>;
                    fn unavailable(message: String) -> Resource<Refusal>;
                    fn try_again(message: String, after_ms: Option<u64>) -> Resource<Refusal>;
                    fn denied(message: String) -> Resource<Refusal>;
                    fn invalid_config(problem: Resource<Problem>) -> Resource<Refusal>;
                    fn other(message: String) -> Resource<Refusal>;
                    drop(Refusal);
                }
            }
            leases {
                "leases" Host {
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
                "lease" HostLease {
                    fn address(lease: Resource<LeaseInfo>) -> IpAddress;
                    fn container_id(lease: Resource<LeaseInfo>) -> String;
                    fn interface_name(lease: Resource<LeaseInfo>) -> String;
                    fn since(lease: Resource<LeaseInfo>) -> u64;
                    fn pod_namespace(lease: Resource<LeaseInfo>) -> Option<String>;
                    fn pod_name(lease: Resource<LeaseInfo>) -> Option<String>;
                    fn reason(lease: Resource<LeaseInfo>) -> Option<String>;
                    drop(LeaseInfo);
                }
                "former-holder" HostFormerHolder {
                    fn container_id(holder: Resource<FormerHolderInfo>) -> String;
                    fn interface_name(holder: Resource<FormerHolderInfo>) -> String;
                    fn pod_namespace(holder: Resource<FormerHolderInfo>) -> Option<String>;
                    fn pod_name(holder: Resource<FormerHolderInfo>) -> Option<String>;
                    fn freed_at(holder: Resource<FormerHolderInfo>) -> u64;
                    drop(FormerHolderInfo);
                }
            }
            state {
                "state" Host {
                    fn get(key: String) -> Option<Vec<u8>>;
                    fn set(key: String, value: Vec<u8>) -> Result<(), state::StateError>;
                    fn delete(key: String);
                    fn keys(prefix: String, after: Option<String>) -> Vec<String>;
                }
            }
            reservations {
                "reservations" Host {
                    fn find(key: String) -> Vec<Resource<Reservation>>;
                    fn on_address(address: IpAddress) -> Option<Resource<Reservation>>;
                    fn reserve(key: String, address: IpAddress, for_ms: u64) -> Result<(), reservations::ReservationError>;
                    fn end(key: String);
                }
                "reservation" HostReservation {
                    fn key(reservation: Resource<Reservation>) -> String;
                    fn address(reservation: Resource<Reservation>) -> IpAddress;
                    fn until(reservation: Resource<Reservation>) -> u64;
                    drop(Reservation);
                }
            }
            events {
                "ended" HostEnded {
                    fn container_id(ended: Resource<Ended>) -> String;
                    fn interface_name(ended: Resource<Ended>) -> String;
                    fn addresses(ended: Resource<Ended>) -> Vec<IpAddress>;
                    fn pod_namespace(ended: Resource<Ended>) -> Fact;
                    fn pod_name(ended: Resource<Ended>) -> Fact;
                    fn now(ended: Resource<Ended>) -> u64;
                    drop(Ended);
                }
                "adopted" HostAdopted {
                    fn addresses(adopted: Resource<Adopted>, after: Option<IpAddress>, limit: u32) -> Vec<IpAddress>;
                    fn last_reserved(adopted: Resource<Adopted>) -> Vec<(u32, IpAddress)>;
                    fn now(adopted: Resource<Adopted>) -> u64;
                    drop(Adopted);
                }
            }
            shares {
                "shares" Host {
                    fn me() -> String;
                    fn members() -> Vec<String>;
                    fn next_unclaimed(within: IpRange, after: Option<IpAddress>) -> Option<IpPrefix>;
                    fn unclaimed_count(within: IpRange) -> u64;
                    fn claimed() -> Vec<IpPrefix>;
                    fn holder(address: IpAddress) -> Option<String>;
                }
            }
            log {
                "log" Host {
                    fn log(level: log::Level, message: String);
                }
            }
        }
    };
}

/// Links what a component imports, and nothing else: each function costs every ADD some time. `$host` makes of the state
/// what has the functions.
macro_rules! link_imported {
    (($linker:ident, $imports:ident, $host:path) $($interface:ident {
        $($owner:literal $kind:ident {
            $(fn $function:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*
            $(drop($resource:ty);)?
        })*
    })*) => {
        $(if let Some(imported) = $imports.interface(stringify!($interface)) {
            let mut instance = $linker.instance(&imported.name)?;
            $(
                $(if let Some(name) = imported.function($owner, stringify!($function)) {
                    instance.func_wrap(name, |mut store: StoreContextMut<'_, HostState>, ($($argument,)*): ($($type,)*)| {
                        let answer = $interface::$kind::$function(&mut $host(store.data_mut()), $($argument),*);
                        link_imported!(@lower answer $($result)?)
                    })?;
                })*
                $(if imported.has($owner) {
                    instance.resource($owner, ResourceType::host::<$resource>(), |mut store, rep| {
                        $interface::$kind::drop(&mut $host(store.data_mut()), Resource::<$resource>::new_own(rep))
                    })?;
                })?
            )*
        })*
    };
    (@lower $answer:ident) => { $answer };
    (@lower $answer:ident $result:ty) => { $answer.map(|answer| (answer,)) };
}

pub(super) fn link(linker: &mut Linker<HostState>, imports: &Imports) -> wasmtime::Result<()> {
    host_functions!(link_imported(linker, imports, std::convert::identity));
    Ok(())
}
