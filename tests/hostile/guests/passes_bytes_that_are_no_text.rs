//! Hands the host a text that is not UTF-8.

use hostile_guests::{Answer, Refusal, Request, Sinner, honest};

struct PassesBytesThatAreNoText;

impl Sinner for PassesBytesThatAreNoText {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let bytes = [0xff_u8, 0xfe, 0xfd];
        // SAFETY: the bytes are there; that they are no text is the host's to find out.
        unsafe { raw_log(0, bytes.as_ptr(), bytes.len()) };
        honest()
    }
}

#[link(wasm_import_module = "gingham:ipam/log@0.2.0")]
unsafe extern "C" {
    #[link_name = "log"]
    fn raw_log(level: i32, text: *const u8, length: usize);
}

hostile_guests::policy!(PassesBytesThatAreNoText);
