//! Reads its request, again and again.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct ReadsRequestWithoutEnd;

impl Sinner for ReadsRequestWithoutEnd {
    fn allocate(_config: &str, request: &Request) -> Result<Answer, Refusal> {
        loop {
            core::hint::black_box(request.cni_args());
        }
    }
}

hostile_guests::policy!(ReadsRequestWithoutEnd);
