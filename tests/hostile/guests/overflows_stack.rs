//! Calls itself without end.

use hostile_guests::{Answer, Refusal, Request, Sinner, answer, sin};

struct OverflowsStack;

impl Sinner for OverflowsStack {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Ok(answer([sin(deeper(1))]))
    }
}

#[allow(unconditional_recursion, reason = "the sin")]
fn deeper(depth: u8) -> u8 {
    let deepest = core::hint::black_box([depth; 64]);
    deepest[usize::from(deeper(core::hint::black_box(depth.wrapping_add(1))) & 63)]
}

hostile_guests::policy!(OverflowsStack);
