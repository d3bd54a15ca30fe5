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
        path: "../../sdk/wit",
        world: "policy",
        pub_export_macro: true,
        export_macro_name: "export_contract",
        default_bindings_module: "hostile_guests::contract",
        type_section_suffix: "contract",
        generate_unused_types: true,
        generate_all,
    });
}

/// The contract with `release`.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
pub mod release {
    wit_bindgen::generate!({
        path: "../../sdk/wit",
        world: "policy-with-release-hook",
        pub_export_macro: true,
        export_macro_name: "export_release",
        default_bindings_module: "hostile_guests::release",
        type_section_suffix: "release",
        with: {
            "gingham:ipam/addresses@0.2.0": crate::contract::gingham::ipam::addresses,
            "gingham:ipam/context@0.2.0": crate::contract::gingham::ipam::context,
            "gingham:ipam/request@0.2.0": crate::contract::gingham::ipam::request,
            "gingham:ipam/pools@0.2.0": crate::contract::gingham::ipam::pools,
            "gingham:ipam/answers@0.2.0": crate::contract::gingham::ipam::answers,
            "gingham:ipam/leases@0.2.0": crate::contract::gingham::ipam::leases,
            "gingham:ipam/state@0.2.0": crate::contract::gingham::ipam::state,
            "gingham:ipam/reservations@0.2.0": crate::contract::gingham::ipam::reservations,
            "gingham:ipam/events@0.2.0": crate::contract::gingham::ipam::events,
            "gingham:ipam/log@0.2.0": crate::contract::gingham::ipam::log,
        },
    });
}

/// The contract with `adopt`.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
pub mod adoption {
    wit_bindgen::generate!({
        path: "../../sdk/wit",
        world: "policy-with-adoption-hook",
        pub_export_macro: true,
        export_macro_name: "export_adoption",
        default_bindings_module: "hostile_guests::adoption",
        type_section_suffix: "adoption",
        with: {
            "gingham:ipam/addresses@0.2.0": crate::contract::gingham::ipam::addresses,
            "gingham:ipam/context@0.2.0": crate::contract::gingham::ipam::context,
            "gingham:ipam/request@0.2.0": crate::contract::gingham::ipam::request,
            "gingham:ipam/pools@0.2.0": crate::contract::gingham::ipam::pools,
            "gingham:ipam/answers@0.2.0": crate::contract::gingham::ipam::answers,
            "gingham:ipam/leases@0.2.0": crate::contract::gingham::ipam::leases,
            "gingham:ipam/state@0.2.0": crate::contract::gingham::ipam::state,
            "gingham:ipam/reservations@0.2.0": crate::contract::gingham::ipam::reservations,
            "gingham:ipam/events@0.2.0": crate::contract::gingham::ipam::events,
            "gingham:ipam/log@0.2.0": crate::contract::gingham::ipam::log,
        },
    });
}

/// The contract of policies that divide a range.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
pub mod cluster {
    wit_bindgen::generate!({
        path: "../../sdk/wit",
        world: "policy-with-cluster",
        pub_export_macro: true,
        export_macro_name: "export_cluster",
        default_bindings_module: "hostile_guests::cluster",
        type_section_suffix: "cluster",
        with: {
            "gingham:ipam/addresses@0.2.0": crate::contract::gingham::ipam::addresses,
            "gingham:ipam/context@0.2.0": crate::contract::gingham::ipam::context,
            "gingham:ipam/request@0.2.0": crate::contract::gingham::ipam::request,
            "gingham:ipam/pools@0.2.0": crate::contract::gingham::ipam::pools,
            "gingham:ipam/answers@0.2.0": crate::contract::gingham::ipam::answers,
            "gingham:ipam/leases@0.2.0": crate::contract::gingham::ipam::leases,
            "gingham:ipam/state@0.2.0": crate::contract::gingham::ipam::state,
            "gingham:ipam/reservations@0.2.0": crate::contract::gingham::ipam::reservations,
            "gingham:ipam/events@0.2.0": crate::contract::gingham::ipam::events,
            "gingham:ipam/log@0.2.0": crate::contract::gingham::ipam::log,
            "gingham:ipam/shares@0.2.0": generate,
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
                include gingham:ipam/imports@0.2.0;
                import gingham:ipam/shares@0.2.0;
            }
        ",
        path: "../../sdk/wit",
        world: "hostile:guests/onlooker",
        pub_export_macro: true,
        export_macro_name: "export_onlooker",
        default_bindings_module: "hostile_guests::onlooker",
        type_section_suffix: "onlooker",
        with: {
            "gingham:ipam/addresses@0.2.0": crate::contract::gingham::ipam::addresses,
            "gingham:ipam/context@0.2.0": crate::contract::gingham::ipam::context,
            "gingham:ipam/request@0.2.0": crate::contract::gingham::ipam::request,
            "gingham:ipam/pools@0.2.0": crate::contract::gingham::ipam::pools,
            "gingham:ipam/answers@0.2.0": crate::contract::gingham::ipam::answers,
            "gingham:ipam/leases@0.2.0": crate::contract::gingham::ipam::leases,
            "gingham:ipam/state@0.2.0": crate::contract::gingham::ipam::state,
            "gingham:ipam/reservations@0.2.0": crate::contract::gingham::ipam::reservations,
            "gingham:ipam/events@0.2.0": crate::contract::gingham::ipam::events,
            "gingham:ipam/log@0.2.0": crate::contract::gingham::ipam::log,
            "gingham:ipam/shares@0.2.0": crate::cluster::gingham::ipam::shares,
        },
    });
}

pub use cluster::gingham::ipam::shares;
pub use contract::gingham::ipam::addresses::{Dns, Grid, IpAddress, IpPrefix, IpRange, Route};
pub use contract::gingham::ipam::answers::{Answer, Problem, Refusal};
pub use contract::gingham::ipam::context::{Context, Fact};
pub use contract::gingham::ipam::events::{Adopted, Ended};
pub use contract::gingham::ipam::pools::{Pool, PoolRange};
pub use contract::gingham::ipam::request::Request;
pub use contract::gingham::ipam::{leases, log, reservations, state};

/// A guest: honest where it says nothing of its own.
pub trait Sinner {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![pool("sins", 66)])
    }

    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        honest()
    }

    fn release(_config: &str, _ended: &Ended) {}

    fn adopt(_config: &str, _adopted: &Adopted) {}

    fn blocks(_config: &str) -> Result<Vec<Grid>, Vec<Problem>> {
        Ok(vec![grid(66, 28)])
    }

    fn share(_config: &str, _members: &[String], _member: &str) -> Result<Vec<IpRange>, Refusal> {
        Ok(vec![range(sin(0), sin(255))])
    }

    fn next_block(_config: &str, _grid: u32) -> Result<IpPrefix, Refusal> {
        let unclaimed = shares::next_unclaimed(range(sin(0), sin(255)), None);
        unclaimed.ok_or_else(|| Refusal::exhausted("every block of 10.66.0.0/24 is claimed"))
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
    let range = PoolRange::new(prefix(at(0), 24), range(at(first), at(last)));
    range.set_gateway(at(1));
    pool.add_range(range);
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
    free.map(|address| answer([address])).ok_or_else(|| Refusal::exhausted("10.66.0.0/24 is full"))
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
        impl $crate::contract::exports::gingham::ipam::allocator::Guest for Guest {
            fn check_config(config: String, _: &$crate::Context) -> Result<Vec<$crate::Pool>, Vec<$crate::Problem>> {
                $crate::speak_when_panicking();
                <$sinner as $crate::Sinner>::check_config(&config)
            }
            fn allocate(
                config: String,
                _: &$crate::Context,
                request: &$crate::Request,
            ) -> Result<$crate::Answer, $crate::Refusal> {
                <$sinner as $crate::Sinner>::allocate(&config, request)
            }
        }
        $crate::contract::export_contract!(Guest);
    };
    ($sinner:ident with release) => {
        $crate::policy!($sinner);
        impl $crate::release::exports::gingham::ipam::release_hook::Guest for Guest {
            fn release(config: String, _: &$crate::Context, ended: &$crate::Ended) {
                <$sinner as $crate::Sinner>::release(&config, ended);
            }
        }
        $crate::release::export_release!(Guest);
    };
    ($sinner:ident with adoption) => {
        $crate::policy!($sinner);
        impl $crate::adoption::exports::gingham::ipam::adoption_hook::Guest for Guest {
            fn adopt(config: String, _: &$crate::Context, adopted: &$crate::Adopted) {
                <$sinner as $crate::Sinner>::adopt(&config, adopted);
            }
        }
        $crate::adoption::export_adoption!(Guest);
    };
    ($sinner:ident with blocks) => {
        $crate::policy!($sinner);
        impl $crate::cluster::exports::gingham::ipam::cluster::Guest for Guest {
            fn blocks(config: String, _: &$crate::Context) -> Result<Vec<$crate::Grid>, Vec<$crate::Problem>> {
                $crate::speak_when_panicking();
                <$sinner as $crate::Sinner>::blocks(&config)
            }
            fn share(
                config: String,
                members: Vec<String>,
                member: String,
            ) -> Result<Vec<$crate::IpRange>, $crate::Refusal> {
                $crate::speak_when_panicking();
                <$sinner as $crate::Sinner>::share(&config, &members, &member)
            }
            fn next_block(config: String, _: &$crate::Context, grid: u32) -> Result<$crate::IpPrefix, $crate::Refusal> {
                $crate::speak_when_panicking();
                <$sinner as $crate::Sinner>::next_block(&config, grid)
            }
        }
        $crate::cluster::export_cluster!(Guest);
    };
    // The world of `shares` is linked because something of it is called.
    ($sinner:ident looking on) => {
        $crate::policy!($sinner);
    };
}

/// A text of 100 MB. It takes a bound of memory above the default one to get this far.
pub fn hundred_megabytes() -> String {
    "x".repeat(100 << 20)
}

/// A route without any of the options.
pub fn route(destination: IpPrefix, gateway: Option<IpAddress>) -> Route {
    let route = Route::new(destination);
    if let Some(gateway) = gateway {
        route.set_gateway(gateway);
    }
    route
}
