//! Makes the host keep ten million routes.

use hostile_guests::{Answer, Refusal, Request, Sinner, honest, prefix, route, v4};

struct HoardsRoutes;

impl Sinner for HoardsRoutes {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        (0..10_000_000).for_each(|_| core::mem::forget(route(prefix(v4(10, 9, 0, 0), 16), None)));
        honest()
    }
}

hostile_guests::policy!(HoardsRoutes);
