//! What `wit/` becomes in Rust, generated.
#![allow(missing_docs, clippy::pedantic, unreachable_pub, unused_qualifications)]

// All that a policy of any world may import; exports are looked up by name, see the contract.
wasmtime::component::bindgen!({
    inline: "
        package gingham:host;
        world everything {
            include gingham:ipam/policy-with-release@0.1.0;
            import gingham:ipam/shares@0.1.0;
        }
    ",
    path: "../../wit",
    world: "gingham:host/everything",
    imports: { default: trappable },
    with: {
        "gingham:ipam/leases.lease": crate::runtime::view::LeaseInfo,
        "gingham:ipam/attachment.request": crate::attachment::Request,
        "gingham:ipam/attachment.pool": crate::runtime::declared::DeclaredPool,
        "gingham:ipam/attachment.answer": crate::runtime::declared::DeclaredAnswer,
    },
});
