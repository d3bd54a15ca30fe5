//! Takes the lowest free address, whatever address the runtime requests. Without the SDK, which refuses such an answer.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct IgnoresRequestedAddresses;

impl Sinner for IgnoresRequestedAddresses {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        hostile_guests::honest()
    }
}

hostile_guests::policy!(IgnoresRequestedAddresses);
