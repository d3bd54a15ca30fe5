//! Write an address allocation policy for [Gingham](https://docs.rs/gingham): one trait, one macro.
//!
//! A policy says where its addresses lie and chooses one for each attachment. It is compiled to WebAssembly and runs in
//! a sandbox: it sees the request, the leases of its network and its own notes, and nothing else. Whatever it answers
//! is checked by the host, so a wrong policy can waste an address or refuse, never hand one out twice.
//!
//! ```
//! use gingham_sdk::{Answer, IpNet, Policy, Pool, Problem, Refusal, Request};
//!
//! #[derive(serde::Deserialize)]
//! struct Config { subnet: IpNet }
//!
//! struct Lowest;
//!
//! impl Policy for Lowest {
//!     type Config = Config;
//!     fn pools(config: &Config) -> Result<Vec<Pool>, Vec<Problem>> {
//!         Ok(vec![Pool::new("subnet").subnet(config.subnet)])
//!     }
//!     fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
//!         Ok(pools[0].take(request)?.into())
//!     }
//! }
//! gingham_sdk::policy!(Lowest);
//! ```
//!
//! The crate's `Cargo.toml` says `[lib] crate-type = ["cdylib", "rlib"]`; `gingham-testing` runs the component from
//! plain `cargo test`.
//!
//! # Rules
//!
//! - Everything that varies comes in with the [`Request`]: the time, a seed, identities. Draw randomness from
//!   [`Request::random`], and the same request gives the same answer.
//! - Globals do not outlive a request. What must be kept goes into [`memory`], and is committed with the lease.
//! - [`leases`], [`memory`], [`log`], [`shares`] and the methods that use them need the host: they work in the component, where
//!   `gingham-testing` runs it, and panic in a native unit test.
//! - [`shares`] is for a [`ClusterPolicy`]: another policy that calls it does not become a component.
//! - A panic ends the request with an error that shows the panic's message; nothing is committed.

extern crate self as gingham_sdk;

mod answer;
mod bindings;
mod cluster;
mod convert;
mod guest;
pub mod leases;
pub mod log;
pub mod memory;
mod pool;
mod random;
mod request;
pub mod shares;

pub use answer::{Answer, Assigned, Dns, Problem, Refusal, Route};
pub use cluster::{ClusterPolicy, Grid};
pub use guest::{Ended, Policy, Release};
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use pool::{Pool, Range};
pub use random::{Random, stable_hash};
pub use request::Request;

/// What the macro needs. Not for authors.
#[doc(hidden)]
pub mod private {
    pub use wit_bindgen;

    pub use crate::cluster::Cluster;
    pub use crate::guest::{Plain, WithRelease};

    pub mod bindings {
        pub use crate::bindings::{cluster, plain, with_release};
    }
}

/// Makes a type that implements [`Policy`] the policy of its crate.
///
/// `policy!(MyPolicy)` for a policy; `policy!(MyPolicy, release)` for one that implements [`Release`] as well and wants
/// to know when attachments end; `policy!(MyPolicy, cluster)` for one that implements [`ClusterPolicy`] as well and
/// divides a range among the members of a cluster.
#[macro_export]
macro_rules! policy {
    ($policy:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::private::Plain<$policy>;
    $crate::private::bindings::plain::export_plain!(Exported with_types_in $crate::private::bindings::plain);
        };
    };
    ($policy:ty, cluster) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::private::Cluster<$policy>;
            $crate::private::bindings::cluster::export_cluster!(
                Exported with_types_in $crate::private::bindings::cluster
            );
        };
    };
    ($policy:ty, release) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::private::WithRelease<$policy>;
            $crate::private::bindings::with_release::export_with_release!(
                Exported with_types_in $crate::private::bindings::with_release
            );
        };
    };
}
