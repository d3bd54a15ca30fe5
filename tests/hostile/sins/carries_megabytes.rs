//! Passes eight megabytes to one call of the host, a megabyte at a time. The configuration says to which.

use hostile_guests::{Answer, Dns, Pool, Refusal, Request, Sinner, honest, log, memory};

struct CarriesMegabytes;

impl Sinner for CarriesMegabytes {
    fn allocate(config: &str, request: &Request) -> Result<Answer, Refusal> {
        let text = "k".repeat(1_000_000);
        let named = |call: &str| config.contains(&format!("\"call\":\"{call}\""));
        for _ in 0..8 {
            match () {
                () if named("argument") => drop(request.argument(&text)),
                () if named("annotation") => drop(request.annotation(&text)),
                () if named("memory.get") => drop(memory::get(&text)),
                () if named("memory.set key") => drop(memory::set(&text, b"")),
                () if named("memory.set value") => drop(memory::set("key", text.as_bytes())),
                () if named("memory.delete") => memory::delete(&text),
                () if named("memory.keys prefix") => drop(memory::keys(&text, None)),
                () if named("memory.keys after") => drop(memory::keys("", Some(&text))),
                () if named("log") => log::log(log::Level::Debug, &text),
                () if named("pool") => drop(Pool::new(&text)),
                () if named("set-dns") => Answer::new().set_dns(&Dns {
                    nameservers: vec![text.clone()],
                    domain: None,
                    search: Vec::new(),
                    options: Vec::new(),
                }),
                () => return Err(Refusal::Other("no such call".to_owned())),
            }
        }
        honest()
    }
}

hostile_guests::policy!(CarriesMegabytes);
