//! x
mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "policy", pub_export_macro: true, default_bindings_module: "gingham_sdk::bindings", runtime_path: "wit_bindgen::rt", debug: true });
}
