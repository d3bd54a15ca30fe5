//! Where the host is, and where it is not.

/// Called before every call of the host. In a native unit test there is no host, and the generated bindings would end
/// the whole test process.
#[inline]
pub(crate) fn called() {
    #[cfg(not(target_arch = "wasm32"))]
    panic!("this calls the host: use gingham_testing");
}
