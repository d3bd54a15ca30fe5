//! What `wit/` becomes on the guest's side, generated. Nothing of it is visible to authors.
#![allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]

/// The world `policy`.
pub mod plain {
    wit_bindgen::generate!({
        path: "../wit",
        world: "policy",
        runtime_path: "gingham_sdk::private::wit_bindgen::rt",
        export_macro_name: "export_plain",
        pub_export_macro: true,
        default_bindings_module: "gingham_sdk::private::bindings::plain",
        type_section_suffix: "plain",
        // Of the other worlds, too.
        generate_unused_types: true,
        generate_all,
    });
}

/// The world `policy-with-release`, on the types of the other.
pub mod with_release {
    wit_bindgen::generate!({
        path: "../wit",
        world: "policy-with-release",
        runtime_path: "gingham_sdk::private::wit_bindgen::rt",
        export_macro_name: "export_with_release",
        pub_export_macro: true,
        default_bindings_module: "gingham_sdk::private::bindings::with_release",
        type_section_suffix: "with-release",
        with: {
            "gingham:ipam/addresses@0.1.0": super::plain::gingham::ipam::addresses,
            "gingham:ipam/leases@0.1.0": super::plain::gingham::ipam::leases,
            "gingham:ipam/memory@0.1.0": super::plain::gingham::ipam::memory,
            "gingham:ipam/log@0.1.0": super::plain::gingham::ipam::log,
            "gingham:ipam/attachment@0.1.0": super::plain::gingham::ipam::attachment,
        },
    });
}

/// The world `cluster-policy`, on the types of the first; `shares` is its own.
pub mod cluster {
    wit_bindgen::generate!({
        path: "../wit",
        world: "cluster-policy",
        runtime_path: "gingham_sdk::private::wit_bindgen::rt",
        export_macro_name: "export_cluster",
        pub_export_macro: true,
        default_bindings_module: "gingham_sdk::private::bindings::cluster",
        type_section_suffix: "cluster",
        with: {
            "gingham:ipam/addresses@0.1.0": super::plain::gingham::ipam::addresses,
            "gingham:ipam/leases@0.1.0": super::plain::gingham::ipam::leases,
            "gingham:ipam/memory@0.1.0": super::plain::gingham::ipam::memory,
            "gingham:ipam/log@0.1.0": super::plain::gingham::ipam::log,
            "gingham:ipam/attachment@0.1.0": super::plain::gingham::ipam::attachment,
            "gingham:ipam/shares@0.1.0": generate,
        },
    });
}
