//! What `wit/` becomes in Rust, generated.
#![allow(missing_docs, clippy::pedantic, unreachable_pub, unused_qualifications)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "policy-with-release",
    imports: { default: trappable },
    with: {
        "gingham:ipam/leases.lease": crate::runtime::view::LeaseInfo,
        "gingham:ipam/attachment.request": crate::attachment::Request,
        "gingham:ipam/attachment.pool": crate::runtime::convert::DeclaredPool,
        "gingham:ipam/attachment.answer": crate::runtime::convert::DeclaredAnswer,
    },
});
