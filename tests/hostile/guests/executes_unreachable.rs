//! Executes the instruction that must not be reached.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct ExecutesUnreachable;

impl Sinner for ExecutesUnreachable {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        core::arch::wasm32::unreachable()
    }
}

hostile_guests::policy!(ExecutesUnreachable);
