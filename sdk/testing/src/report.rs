//! What a failed test shows.

use std::fmt::Write as _;
use std::net::IpAddr;

use gingham_engine::attachment::{Answer, Request, Route};
use gingham_engine::ipam::{IpamError, IpamResult};
use gingham_engine::runtime::LogLine;

use crate::Network;

/// Everything about one request, for people.
pub(crate) struct Report {
    text: String,
}

impl Report {
    pub(crate) fn new(
        network: &Network,
        request: &Request,
        result: &Result<IpamResult, IpamError>,
        log: &[LogLine],
    ) -> Self {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            // Writing to a text does not fail.
            let _ = write!(text, "\n  {name:<8}  {value}");
        };
        line("policy", network.policy.name());
        line("request", &request_line(request));
        line("config", &network.ipam.to_string());
        match result {
            Ok(granted) => {
                line("answer", &answer_line(&granted.answer));
                let usage = granted.usage;
                let cost = format!(
                    "{} of {} fuel, {} host calls, {} KiB of memory",
                    usage.fuel,
                    network.settings.limits.fuel,
                    usage.host_calls,
                    usage.memory / 1024
                );
                line("cost", &cost);
            }
            Err(error) => line("error", &error.to_string()),
        }
        for logged in log {
            line("log", &format!("{:?}: {}", logged.level, logged.message));
        }
        Self { text }
    }

    /// Ends the test.
    #[track_caller]
    pub(crate) fn fail(&self, expectation: &str) -> ! {
        panic!("{expectation}{}\n", self.text)
    }
}

fn request_line(request: &Request) -> String {
    let mut line = format!("ADD {} {}", request.key.container_id, request.key.interface);
    let pod = [&request.pod.namespace, &request.pod.name].map(|part| part.as_deref().unwrap_or("?"));
    if pod != ["?", "?"] {
        let _ = write!(line, ", pod {}/{}", pod[0], pod[1]);
    }
    if !request.requested.is_empty() {
        let _ = write!(line, ", requested {}", joined(&request.requested));
    }
    for (key, value) in &request.cni_args {
        let _ = write!(line, ", {key}={value}");
    }
    let facts = &request.facts;
    let of_pod = [("label", &facts.labels), ("annotation", &facts.annotations)];
    let of_namespace =
        [("namespace label", &facts.namespace_labels), ("namespace annotation", &facts.namespace_annotations)];
    for (what, labels) in of_pod.into_iter().chain(of_namespace) {
        for (key, value) in labels.iter().flatten() {
            let _ = write!(line, ", {what} {key}={value}");
        }
    }
    let _ = write!(line, ", now {}, seed {}", request.now, request.seed);
    line
}

fn answer_line(answer: &Answer) -> String {
    let via = |gateway: Option<IpAddr>| gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
    let addresses = answer.addresses.iter().map(|assigned| format!("{}{}", assigned.address, via(assigned.gateway)));
    let route = |route: &Route| format!("route {}{}", route.destination, via(route.gateway));
    let mut parts: Vec<String> = addresses.chain(answer.routes.iter().map(route)).collect();
    parts.extend(answer.dns.as_ref().map(|dns| format!("dns {}", dns.nameservers.join(" "))));
    parts.join(", ")
}

fn joined(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
