//! Makes the host keep ten thousand answers with half a megabyte of name servers.

use hostile_guests::{Answer, Dns, Refusal, Request, Sinner, honest};

struct HoardsAnswers;

impl Sinner for HoardsAnswers {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let nameservers = vec!["x".repeat(512 << 10)];
        let dns = Dns { nameservers, domain: None, search: Vec::new(), options: Vec::new() };
        for _ in 0..10_000 {
            let answer = Answer::new();
            answer.set_dns(&dns);
            core::mem::forget(answer);
        }
        honest()
    }
}

hostile_guests::policy!(HoardsAnswers);
