//! What the hostile guests share: the bare contract, without the SDK, so that a guest can sin where the SDK would not
//! let it; and the honest behaviour of which each guest breaks one piece.
#![allow(
    missing_docs,
    clippy::missing_errors_doc,
    reason = "guests for tests: the contract's documentation is in wit/"
)]

/// The contract as wit-bindgen has it.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
pub mod contract {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "policy",
        pub_export_macro: true,
        export_macro_name: "export_policy",
        default_bindings_module: "hostile_guests::contract",
        generate_unused_types: true,
    });
}

/// The contract with `release`.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
pub mod release {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "policy-with-release",
        pub_export_macro: true,
        export_macro_name: "export_policy_with_release",
        default_bindings_module: "hostile_guests::release",
        with: {
            "gingham:ipam/addresses@0.1.0": crate::contract::gingham::ipam::addresses,
            "gingham:ipam/leases@0.1.0": crate::contract::gingham::ipam::leases,
            "gingham:ipam/memory@0.1.0": crate::contract::gingham::ipam::memory,
            "gingham:ipam/log@0.1.0": crate::contract::gingham::ipam::log,
            "gingham:ipam/attachment@0.1.0": crate::contract::gingham::ipam::attachment,
        },
    });
}

/// The contract of policies that divide a range.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
pub mod cluster {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "cluster-policy",
        pub_export_macro: true,
        export_macro_name: "export_cluster_policy",
        default_bindings_module: "hostile_guests::cluster",
        with: {
            "gingham:ipam/addresses@0.1.0": crate::contract::gingham::ipam::addresses,
            "gingham:ipam/leases@0.1.0": crate::contract::gingham::ipam::leases,
            "gingham:ipam/memory@0.1.0": crate::contract::gingham::ipam::memory,
            "gingham:ipam/log@0.1.0": crate::contract::gingham::ipam::log,
            "gingham:ipam/attachment@0.1.0": crate::contract::gingham::ipam::attachment,
            "gingham:ipam/shares@0.1.0": generate,
        },
    });
}

/// A policy that looks at the cluster and divides nothing.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
pub mod onlooker {
    wit_bindgen::generate!({
        inline: "
            package hostile:guests;
            world onlooker {
                include gingham:ipam/policy@0.1.0;
                import gingham:ipam/shares@0.1.0;
            }
        ",
        path: "../../wit",
        world: "hostile:guests/onlooker",
        pub_export_macro: true,
        export_macro_name: "export_onlooker",
        default_bindings_module: "hostile_guests::onlooker",
        with: {
            "gingham:ipam/addresses@0.1.0": crate::contract::gingham::ipam::addresses,
            "gingham:ipam/leases@0.1.0": crate::contract::gingham::ipam::leases,
            "gingham:ipam/memory@0.1.0": crate::contract::gingham::ipam::memory,
            "gingham:ipam/log@0.1.0": crate::contract::gingham::ipam::log,
            "gingham:ipam/attachment@0.1.0": crate::contract::gingham::ipam::attachment,
            "gingham:ipam/shares@0.1.0": crate::cluster::gingham::ipam::shares,
        },
    });
}

pub use cluster::gingham::ipam::shares;
pub use contract::gingham::ipam::addresses::{Dns, Grid, IpAddress, IpPrefix, IpRange, Route};
pub use contract::gingham::ipam::attachment::{Answer, Edges, Ended, Pool, Problem, Refusal, Request};
pub use contract::gingham::ipam::{leases, log, memory};

/// A guest: honest where it says nothing of its own.
pub trait Sinner {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![pool("sins", 66)])
    }

    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        honest()
    }

    fn release(_config: &str, _ended: Ended) {}

    fn blocks(_config: &str) -> Result<Vec<Grid>, Vec<Problem>> {
        Ok(vec![grid(66, 28)])
    }

    fn share(_config: &str, _members: &[String], _member: &str) -> Result<Vec<IpRange>, Refusal> {
        Ok(vec![range(sin(0), sin(255))])
    }

    fn next_block(_config: &str, _grid: u32) -> Result<IpPrefix, Refusal> {
        let unclaimed = shares::next_unclaimed(range(sin(0), sin(255)), None);
        unclaimed.ok_or_else(|| Refusal::Exhausted("every block of 10.66.0.0/24 is claimed".to_owned()))
    }
}

/// An IPv4 address of the tests' networks.
pub fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddress {
    IpAddress::Ipv4((a, b, c, d))
}

/// An address of 10.66.0.0/24.
pub fn sin(last: u8) -> IpAddress {
    v4(10, 66, 0, last)
}

pub fn prefix(address: IpAddress, length: u8) -> IpPrefix {
    IpPrefix { address, length }
}

pub fn range(first: IpAddress, last: IpAddress) -> IpRange {
    IpRange { first, last }
}

/// 10.NUMBER.0.0/24 with the gateway .1.
pub fn pool(name: &str, number: u8) -> Pool {
    let pool = Pool::new(name);
    add_range(&pool, number, 0, 255);
    pool
}

/// Adds 10.NUMBER.0.FIRST to 10.NUMBER.0.LAST.
pub fn add_range(pool: &Pool, number: u8, first: u8, last: u8) {
    let at = |last| v4(10, number, 0, last);
    pool.add_range(prefix(at(0), 24), range(at(first), at(last)), Some(at(1)), Edges::Reserved);
}

/// 10.NUMBER.0.0/24 in blocks of this length.
pub fn grid(number: u8, block_length: u8) -> Grid {
    Grid { range: prefix(v4(10, number, 0, 0), 24), block_length }
}

/// An answer with these addresses, as /24.
pub fn answer(addresses: impl IntoIterator<Item = IpAddress>) -> Answer {
    let answer = Answer::new();
    addresses.into_iter().for_each(|address| answer.add_address(prefix(address, 24), None));
    answer
}

/// The lowest free address of 10.66.0.0/24.
pub fn honest() -> Result<Answer, Refusal> {
    let free = leases::next_free(range(sin(0), sin(255)), None);
    free.map(|address| answer([address])).ok_or_else(|| Refusal::Exhausted("10.66.0.0/24 is full".to_owned()))
}

/// So that a panic's message is seen; without it a guest without a system dies silently.
pub fn speak_when_panicking() {
    std::panic::set_hook(Box::new(|panic| log::log(log::Level::Error, &panic.to_string())));
}

/// Makes a [`Sinner`] the policy of this component.
#[macro_export]
macro_rules! policy {
    ($sinner:ident) => {
        struct Guest;
        $crate::policy!(@guest $sinner, $crate::contract::Guest, $crate::contract::export_policy, {});
    };
    ($sinner:ident with release) => {
        struct Guest;
        $crate::policy!(@guest $sinner, $crate::release::Guest, $crate::release::export_policy_with_release, {
            fn release(config: String, ended: $crate::Ended) {
                <$sinner as $crate::Sinner>::release(&config, ended);
            }
        });
    };
    ($sinner:ident with blocks) => {
        struct Guest;
        $crate::policy!(@guest $sinner, $crate::cluster::Guest, $crate::cluster::export_cluster_policy, {
            fn blocks(config: String) -> Result<Vec<$crate::Grid>, Vec<$crate::Problem>> {
                $crate::speak_when_panicking();
                <$sinner as $crate::Sinner>::blocks(&config)
            }
            fn share(config: String, members: Vec<String>, member: String) -> Result<Vec<$crate::IpRange>, $crate::Refusal> {
                $crate::speak_when_panicking();
                <$sinner as $crate::Sinner>::share(&config, &members, &member)
            }
            fn next_block(config: String, grid: u32) -> Result<$crate::IpPrefix, $crate::Refusal> {
                $crate::speak_when_panicking();
                <$sinner as $crate::Sinner>::next_block(&config, grid)
            }
        });
    };
    ($sinner:ident looking on) => {
        struct Guest;
        $crate::policy!(@guest $sinner, $crate::onlooker::Guest, $crate::onlooker::export_onlooker, {});
    };
    (@guest $sinner:ident, $guest:path, $export:path, { $($release:tt)* }) => {
        impl $guest for Guest {
            fn check_config(config: String) -> Result<Vec<$crate::Pool>, Vec<$crate::Problem>> {
                $crate::speak_when_panicking();
                <$sinner as $crate::Sinner>::check_config(&config)
            }
            fn allocate(config: String, request: &$crate::Request) -> Result<$crate::Answer, $crate::Refusal> {
                <$sinner as $crate::Sinner>::allocate(&config, request)
            }
            $($release)*
        }
        $export!(Guest);
    };
}

/// A text of 100 MB. It takes a bound of memory above the default one to get this far.
pub fn hundred_megabytes() -> String {
    "x".repeat(100 << 20)
}

/// A route without any of the options.
pub fn route(destination: IpPrefix, gateway: Option<IpAddress>) -> Route {
    Route { destination, gateway, mtu: None, advmss: None, priority: None, table: None, scope: None }
}
