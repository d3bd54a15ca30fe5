//! What `wit/` becomes in Rust, generated.
#![allow(missing_docs, clippy::pedantic, unreachable_pub, unused_qualifications)]

// All that a policy of any world may import; exports are looked up by name, see the contract.
wasmtime::component::bindgen!({
    inline: "
        package gingham:host;
        world everything {
            include gingham:ipam/imports@0.2.0;
            import gingham:ipam/shares@0.2.0;
        }
    ",
    path: "../../sdk/wit",
    world: "gingham:host/everything",
    imports: { default: trappable },
    with: {
        "gingham:ipam/addresses.route": crate::attachment::Route,
        "gingham:ipam/context.context": crate::attachment::Context,
        "gingham:ipam/request.owner": crate::attachment::Owner,
        "gingham:ipam/request.request": crate::attachment::Request,
        "gingham:ipam/pools.pool-range": crate::pool::PoolRange,
        "gingham:ipam/pools.pool": crate::pool::Pool,
        "gingham:ipam/answers.answer": crate::attachment::Answer,
        "gingham:ipam/answers.problem": crate::attachment::Problem,
        "gingham:ipam/answers.refusal": crate::attachment::Refusal,
        "gingham:ipam/leases.lease": crate::runtime::view::LeaseInfo,
        "gingham:ipam/leases.former-holder": crate::runtime::view::FormerHolderInfo,
        "gingham:ipam/reservations.reservation": crate::ledger::Reservation,
        "gingham:ipam/events.ended": crate::attachment::Ended,
        "gingham:ipam/events.adopted": crate::attachment::Adopted,
    },
});
