//! Makes every instruction wait for the machine's memory: each reads where the next one reads.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct WaitsForMemory;

/// 48 MB in pieces of a cache line.
const LINES: usize = 768 << 10;
const WORDS: usize = 16;

impl Sinner for WaitsForMemory {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        // Not zeroed, which would cost fuel.
        let start = Vec::<usize>::with_capacity(LINES * WORDS).leak().as_mut_ptr();
        // Far from its neighbours, each line once: the step has no factor in common with the number of lines.
        let mut line = 0;
        for _ in 0..LINES {
            let next = (line + 485_207) % LINES;
            // SAFETY: within the capacity.
            unsafe { start.add(line * WORDS).write(start.wrapping_add(next * WORDS) as usize) };
            line = next;
        }
        let mut place = start.cast_const();
        loop {
            for _ in 0..64 {
                // SAFETY: every word that is read was written above, and leads to another one.
                place = unsafe { place.read_volatile() } as *const usize;
            }
            core::hint::black_box(place);
        }
    }
}

hostile_guests::policy!(WaitsForMemory);
