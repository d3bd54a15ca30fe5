//! A request and what came of it, in lines for people.

use std::fmt::Write as _;
use std::net::IpAddr;

use gingham_engine::attachment::{Answer, Request, Route};
use gingham_engine::ipam::IpamResult;
use gingham_engine::runtime::LogLine;

use crate::run::Run;
use crate::scenario::Scenario;

/// Everything about one request, a line for each part: policy, request, configuration, answer or error, cost, log. Each
/// line begins with a line feed and two blanks.
pub fn request_report(scenario: &Scenario, request: &Request, run: &Run<IpamResult>) -> String {
    let mut text = String::new();
    for (name, value) in request_lines(scenario, request, run) {
        // Writing to a text does not fail.
        let _ = write!(text, "\n  {name:<8}  {value}");
    }
    text
}

/// The same as names and values.
pub fn request_lines(scenario: &Scenario, request: &Request, run: &Run<IpamResult>) -> Vec<(String, String)> {
    let mut lines = config_lines(scenario);
    lines.insert(1, ("request".to_owned(), request_line(request)));
    lines.extend(run.result.iter().map(|result| ("answer".to_owned(), answer_line(&result.answer))));
    lines.extend(run_lines(scenario, run));
    lines
}

/// Which policy was asked, and with which configuration.
pub fn config_lines(scenario: &Scenario) -> Vec<(String, String)> {
    let policy = scenario.policy().name().to_owned();
    vec![("policy".to_owned(), policy), ("config".to_owned(), scenario.ipam().to_string())]
}

/// The error, the cost and the log of a run.
pub fn run_lines<T>(scenario: &Scenario, run: &Run<T>) -> Vec<(String, String)> {
    let error = run.result.as_ref().err().map(|error| ("error".to_owned(), error.to_string()));
    let cost = ("cost".to_owned(), cost_line(run, scenario.settings().limits.fuel));
    let log = run.log.iter().map(|line| ("log".to_owned(), format!("{}: {}", level(line), line.message)));
    error.into_iter().chain([cost]).chain(log).collect()
}

/// The level of a log line: `info`, `warn`.
pub fn level(line: &LogLine) -> String {
    format!("{:?}", line.level).to_lowercase()
}

/// What a run cost, beside the fuel that one call may use.
pub fn cost_line<T>(run: &Run<T>, fuel: u64) -> String {
    let usage = run.usage();
    format!("{} of {fuel} fuel, {} host calls, {} KiB of memory", usage.fuel, usage.host_calls, usage.memory / 1024)
}

/// A request in one line: `ADD web-1 eth0, pod shop/web-1, requested 10.1.0.9, now …, seed …`.
pub fn request_line(request: &Request) -> String {
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

/// An answer in one line: `10.1.0.2/24 via 10.1.0.1, route 0.0.0.0/0, dns 10.1.0.1`.
pub fn answer_line(answer: &Answer) -> String {
    let addresses = answer.addresses.iter().map(|assigned| format!("{}{}", assigned.address, via(assigned.gateway)));
    let routes = answer.routes.iter().map(|route| format!("route {}", route_text(route)));
    let mut parts: Vec<String> = addresses.chain(routes).collect();
    parts.extend(answer.dns.as_ref().map(|dns| format!("dns {}", dns.nameservers.join(" "))));
    parts.join(", ")
}

/// A route as `ip route` writes it: `10.9.0.0/16 via 10.1.0.1 mtu 1400`.
pub fn route_text(route: &Route) -> String {
    let mut text = format!("{}{}", route.destination, via(route.gateway));
    let options = [
        ("mtu", route.mtu),
        ("advmss", route.advmss),
        ("priority", route.priority),
        ("table", route.table),
        ("scope", route.scope),
    ];
    for (name, value) in options.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
        let _ = write!(text, " {name} {value}");
    }
    text
}

fn via(gateway: Option<IpAddr>) -> String {
    gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default()
}

fn joined(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
