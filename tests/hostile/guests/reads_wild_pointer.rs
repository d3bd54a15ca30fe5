//! Reads far behind the end of its memory.

use hostile_guests::{Answer, Refusal, Request, Sinner, answer, sin};

struct ReadsWildPointer;

impl Sinner for ReadsWildPointer {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let wild = core::hint::black_box(0xffff_fff0_usize) as *const u8;
        // SAFETY: there is none; the sandbox has to catch it.
        let last = unsafe { wild.read_volatile() };
        Ok(answer([sin(last)]))
    }
}

hostile_guests::policy!(ReadsWildPointer);
