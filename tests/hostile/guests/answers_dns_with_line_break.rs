//! Smuggles a line into the container's resolv.conf.

use hostile_guests::{Answer, Dns, Refusal, Request, Sinner, honest};

struct AnswersDnsWithLineBreak;

impl Sinner for AnswersDnsWithLineBreak {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let answer = honest()?;
        let search = vec!["example.com\nnameserver 192.0.2.66".to_owned()];
        answer.set_dns(&Dns { nameservers: Vec::new(), domain: None, search, options: Vec::new() });
        Ok(answer)
    }
}

hostile_guests::policy!(AnswersDnsWithLineBreak);
