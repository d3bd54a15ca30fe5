//! Write an address allocation policy for [Gingham](https://docs.rs/gingham): one trait, one macro.
//!
//! A policy declares where its addresses lie and chooses one for each attachment. It is compiled to WebAssembly and runs in
//! a sandbox: it sees the request, the leases of its network and its own state, and nothing else. Whatever it answers
//! is checked by the host, so a wrong policy can waste an address or refuse, never hand one out twice.
//!
//! ```
//! use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, Problem, Refusal, Request};
//!
//! #[derive(serde::Deserialize)]
//! struct Config { subnet: IpNet }
//!
//! struct Lowest;
//!
//! impl Policy for Lowest {
//!     type Config = Config;
//!     fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
//!         Ok(vec![Pool::new("subnet").subnet(config.subnet)])
//!     }
//!     fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
//!         Ok(pools[0].take(request)?.into())
//!     }
//! }
//! gingham_sdk::policy!(Lowest);
//! ```
//!
//! The crate's `Cargo.toml` has `[lib] crate-type = ["cdylib", "rlib"]`; `gingham-testing` runs the component from
//! plain `cargo test`.
//!
//! # Rules
//!
//! - Everything that varies comes in with the [`Request`]: the time, a seed, identities. Draw randomness from
//!   [`Request::random`], and the same request gives the same answer.
//! - Globals do not outlive a request. What must be kept goes into [`state`], and is committed with the lease. An address
//!   that is kept for later is a [reservation](reservations). Leases are counted by [`leases`], not in `state`.
//! - [`leases`], [`reservations`], [`state`], [`log`], [`shares`] and the methods that use them need the host: they work in
//!   the component, where `gingham-testing` runs it, and panic in a native unit test.
//! - A [`Fact`] is known, absent or unknown: a runtime without Kubernetes passes nothing on about pods.
//! - [`shares`] is for a [`ClusterPolicy`]: another policy that calls it does not become a component.
//! - A panic ends the request with an error that shows the panic's message; nothing is committed.

#![warn(missing_docs, clippy::missing_errors_doc)]

extern crate self as gingham_sdk;

mod answer;
mod bindings;
mod cluster_policy;
mod context;
mod convert;
mod events;
mod guest;
mod host;
pub mod leases;
pub mod log;
mod pool;
mod random;
mod range;
mod request;
pub mod reservations;
pub mod shares;
pub mod state;

pub use answer::{Answer, Assigned, Dns, Problem, Refusal, Route};
pub use cluster_policy::{ClusterPolicy, Grid};
pub use context::{Context, Fact};
pub use events::{Adopted, Ended};
pub use guest::{AdoptionHook, Policy, ReleaseHook};
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use pool::{Pool, PoolRange};
pub use random::{Random, stable_hash};
pub use range::IpRange;
pub use request::{Owner, OwnerFact, Request, Requester};

/// What the macro needs. Not for authors.
#[doc(hidden)]
pub mod private {
    pub use wit_bindgen;

    pub use crate::guest::Exported;

    pub mod bindings {
        pub use crate::bindings::{adoption_hook, cluster, policy, release_hook};
    }
}

/// Makes a type that implements [`Policy`] the policy of its crate.
///
/// `policy!(MyPolicy)` for a policy. What it can do besides is named, in any order: `policy!(MyPolicy, cluster, release)`.
///
/// - `release`: it implements [`ReleaseHook`] and is called when attachments end;
/// - `cluster`: it implements [`ClusterPolicy`] and divides a range among the members of a cluster;
/// - `adoption`: it implements [`AdoptionHook`] and is called when leases of the reference `host-local` were adopted.
#[macro_export]
macro_rules! policy {
    (@export release $exported:ident) => {
        $crate::private::bindings::release_hook::export_release_hook!(
            $exported with_types_in $crate::private::bindings::release_hook
        );
    };
    (@export cluster $exported:ident) => {
        $crate::private::bindings::cluster::export_cluster!(
            $exported with_types_in $crate::private::bindings::cluster
        );
    };
    (@export adoption $exported:ident) => {
        $crate::private::bindings::adoption_hook::export_adoption_hook!(
            $exported with_types_in $crate::private::bindings::adoption_hook
        );
    };
    ($policy:ty $(, $part:ident)*) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::private::Exported<$policy>;
            $crate::private::bindings::policy::export_policy!(
                Exported with_types_in $crate::private::bindings::policy
            );
            $($crate::policy!(@export $part Exported);)*
        };
    };
}
