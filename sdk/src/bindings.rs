//! What `wit/` becomes on the guest's side, generated. Nothing of it is visible to authors.
#![allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]

/// The world `policy`.
pub mod policy {
    wit_bindgen::generate!({
        path: "wit",
        world: "policy",
        runtime_path: "gingham_sdk::private::wit_bindgen::rt",
        export_macro_name: "export_policy",
        pub_export_macro: true,
        default_bindings_module: "gingham_sdk::private::bindings::policy",
        type_section_suffix: "policy",
        // Of the other worlds, too.
        generate_unused_types: true,
        generate_all,
    });
}

/// The world `policy-with-release-hook`, on the types of `policy`.
pub mod release_hook {
    wit_bindgen::generate!({
        path: "wit",
        world: "policy-with-release-hook",
        runtime_path: "gingham_sdk::private::wit_bindgen::rt",
        export_macro_name: "export_release_hook",
        pub_export_macro: true,
        default_bindings_module: "gingham_sdk::private::bindings::release_hook",
        type_section_suffix: "release-hook",
        with: {
            "gingham:ipam/addresses@0.2.0": super::policy::gingham::ipam::addresses,
            "gingham:ipam/context@0.2.0": super::policy::gingham::ipam::context,
            "gingham:ipam/request@0.2.0": super::policy::gingham::ipam::request,
            "gingham:ipam/pools@0.2.0": super::policy::gingham::ipam::pools,
            "gingham:ipam/answers@0.2.0": super::policy::gingham::ipam::answers,
            "gingham:ipam/leases@0.2.0": super::policy::gingham::ipam::leases,
            "gingham:ipam/state@0.2.0": super::policy::gingham::ipam::state,
            "gingham:ipam/reservations@0.2.0": super::policy::gingham::ipam::reservations,
            "gingham:ipam/events@0.2.0": super::policy::gingham::ipam::events,
            "gingham:ipam/log@0.2.0": super::policy::gingham::ipam::log,
        },
    });
}

/// The world `policy-with-adoption-hook`, on the types of `policy`.
pub mod adoption_hook {
    wit_bindgen::generate!({
        path: "wit",
        world: "policy-with-adoption-hook",
        runtime_path: "gingham_sdk::private::wit_bindgen::rt",
        export_macro_name: "export_adoption_hook",
        pub_export_macro: true,
        default_bindings_module: "gingham_sdk::private::bindings::adoption_hook",
        type_section_suffix: "adoption-hook",
        with: {
            "gingham:ipam/addresses@0.2.0": super::policy::gingham::ipam::addresses,
            "gingham:ipam/context@0.2.0": super::policy::gingham::ipam::context,
            "gingham:ipam/request@0.2.0": super::policy::gingham::ipam::request,
            "gingham:ipam/pools@0.2.0": super::policy::gingham::ipam::pools,
            "gingham:ipam/answers@0.2.0": super::policy::gingham::ipam::answers,
            "gingham:ipam/leases@0.2.0": super::policy::gingham::ipam::leases,
            "gingham:ipam/state@0.2.0": super::policy::gingham::ipam::state,
            "gingham:ipam/reservations@0.2.0": super::policy::gingham::ipam::reservations,
            "gingham:ipam/events@0.2.0": super::policy::gingham::ipam::events,
            "gingham:ipam/log@0.2.0": super::policy::gingham::ipam::log,
        },
    });
}

/// The world `policy-with-cluster`, on the types of `policy`; `shares` is its own.
pub mod cluster {
    wit_bindgen::generate!({
        path: "wit",
        world: "policy-with-cluster",
        runtime_path: "gingham_sdk::private::wit_bindgen::rt",
        export_macro_name: "export_cluster",
        pub_export_macro: true,
        default_bindings_module: "gingham_sdk::private::bindings::cluster",
        type_section_suffix: "cluster",
        with: {
            "gingham:ipam/addresses@0.2.0": super::policy::gingham::ipam::addresses,
            "gingham:ipam/context@0.2.0": super::policy::gingham::ipam::context,
            "gingham:ipam/request@0.2.0": super::policy::gingham::ipam::request,
            "gingham:ipam/pools@0.2.0": super::policy::gingham::ipam::pools,
            "gingham:ipam/answers@0.2.0": super::policy::gingham::ipam::answers,
            "gingham:ipam/leases@0.2.0": super::policy::gingham::ipam::leases,
            "gingham:ipam/state@0.2.0": super::policy::gingham::ipam::state,
            "gingham:ipam/reservations@0.2.0": super::policy::gingham::ipam::reservations,
            "gingham:ipam/events@0.2.0": super::policy::gingham::ipam::events,
            "gingham:ipam/log@0.2.0": super::policy::gingham::ipam::log,
            "gingham:ipam/shares@0.2.0": generate,
        },
    });
}
