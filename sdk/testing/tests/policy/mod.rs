//! Builds the policy of these tests, outside of the workspace as an author's would be.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use gingham_engine::compile::Compiler;
use gingham_testing::{Network, Policy};
use serde_json::{Value, json};

static OBEDIENT: LazyLock<Policy> = LazyLock::new(|| {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let directory = tempfile::TempDir::new().unwrap();
    let sdk = workspace.join("sdk").display().to_string();
    let manifest = format!(
        "[package]\nname = \"obedient\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n[lib]\npath = \"lib.rs\"\n\
         crate-type = [\"cdylib\"]\n\n[dependencies]\ngingham-sdk = {{ path = {sdk:?} }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n"
    );
    fs::write(directory.path().join("Cargo.toml"), manifest).unwrap();
    fs::copy(workspace.join("Cargo.lock"), directory.path().join("Cargo.lock")).unwrap();
    fs::copy(workspace.join("sdk/testing/tests/policy/lib.rs"), directory.path().join("lib.rs")).unwrap();
    let component = gingham_build::build_policy_in(directory.path(), &workspace.join("target/policies")).unwrap();
    Compiler::new().unwrap().load("obedient", &component.bytes).unwrap()
});

/// A network whose policy does this.
pub(crate) fn network(does: &str) -> Network {
    with(json!({"does": does}))
}

/// A network with more in its configuration.
pub(crate) fn with(mut ipam: Value) -> Network {
    ipam["subnet"] = json!("10.1.0.0/24");
    Network::of(&OBEDIENT, ipam)
}

/// What a test says when it fails.
pub(crate) fn failure(test: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test)).expect_err("the test should have failed");
    panic.downcast::<String>().map_or_else(|_| "a panic without a text".to_owned(), |text| *text)
}
