//! How the static program is linked.

#[expect(clippy::disallowed_macros, reason = "this is how a build script speaks to cargo")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let has = |variable: &str, value: &str| {
        std::env::var(variable).is_ok_and(|values| values.split(',').any(|given| given == value))
    };
    // A static program relocates its own tables at each start. Packed, they are 3 kB to read instead of 280 kB.
    // Their start code can read that form since glibc 2.36 and musl 1.2.4.
    let is_static = has("CARGO_CFG_TARGET_FEATURE", "crt-static") || has("CARGO_CFG_TARGET_ENV", "musl");
    if is_static && has("CARGO_CFG_TARGET_OS", "linux") {
        // In the form that a C compiler takes as well as a linker that is called alone.
        println!("cargo::rustc-link-arg-bins=-zpack-relative-relocs");
    }
}
