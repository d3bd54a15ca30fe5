//! Answers with a handle it was never given.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct AnswersForeignHandle;

impl Sinner for AnswersForeignHandle {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        // SAFETY: there is none; the host's table has to notice.
        Ok(unsafe { Answer::from_handle(4242) })
    }
}

hostile_guests::policy!(AnswersForeignHandle);
