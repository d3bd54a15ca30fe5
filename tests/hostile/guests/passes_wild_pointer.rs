//! Hands the host a text that lies outside of its memory.

use hostile_guests::{Answer, Refusal, Request, Sinner, honest};

struct PassesWildPointer;

impl Sinner for PassesWildPointer {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        // SAFETY: there is none; the host has to check the bounds.
        unsafe { raw_log(0, 0x7fff_0000 as *const u8, 100) };
        honest()
    }
}

#[link(wasm_import_module = "gingham:ipam/log@0.2.0")]
unsafe extern "C" {
    #[link_name = "log"]
    fn raw_log(level: i32, text: *const u8, length: usize);
}

hostile_guests::policy!(PassesWildPointer);
