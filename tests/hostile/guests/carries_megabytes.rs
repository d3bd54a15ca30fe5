//! Passes eight megabytes to one call of the host, a megabyte at a time. The configuration says to which.

use hostile_guests::{
    Answer, Dns, Pool, Problem, Refusal, Request, Sinner, honest, leases, log, reservations, sin, state,
};

struct CarriesMegabytes;

impl Sinner for CarriesMegabytes {
    fn allocate(config: &str, request: &Request) -> Result<Answer, Refusal> {
        let text = "k".repeat(1_000_000);
        let named = |call: &str| config.contains(&format!("\"call\":\"{call}\""));
        for _ in 0..8 {
            match () {
                () if named("cni-arg") => drop(request.cni_arg(&text)),
                () if named("args-label") => drop(request.args_label(&text)),
                () if named("pod-label") => drop(request.pod_label(&text)),
                () if named("pod-annotation") => drop(request.pod_annotation(&text)),
                () if named("namespace-label") => drop(request.namespace_label(&text)),
                () if named("namespace-annotation") => drop(request.namespace_annotation(&text)),
                () if named("state.get") => drop(state::get(&text)),
                () if named("state.set key") => drop(state::set(&text, b"")),
                () if named("state.set value") => drop(state::set("key", text.as_bytes())),
                () if named("state.delete") => state::delete(&text),
                () if named("state.keys prefix") => drop(state::keys(&text, None)),
                () if named("state.keys after") => drop(state::keys("", Some(&text))),
                () if named("reservations.find") => drop(reservations::find(&text)),
                () if named("reservations.reserve") => drop(reservations::reserve(&text, sin(9), 1)),
                () if named("reservations.end") => reservations::end(&text),
                () if named("leases.of-namespace") => drop(leases::of_namespace(&text, None, 1)),
                () if named("leases.count-of-namespace") => drop(leases::count_of_namespace(&text)),
                () if named("set-reason") => Answer::new().set_reason(&text),
                () if named("refusal") => drop(Refusal::denied(&text)),
                () if named("problem") => drop(Problem::new("key", &text)),
                () if named("log") => log::log(log::Level::Debug, &text),
                () if named("pool") => drop(Pool::new(&text)),
                () if named("set-dns") => Answer::new().set_dns(&Dns {
                    nameservers: vec![text.clone()],
                    domain: None,
                    search: Vec::new(),
                    options: Vec::new(),
                }),
                () => return Err(Refusal::other("no such call")),
            }
        }
        honest()
    }
}

hostile_guests::policy!(CarriesMegabytes);
