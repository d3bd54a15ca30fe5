//! What is measured, in Prometheus' text format 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

use gingham_untrusted::text;

use crate::keeping::{State, Status};

/// The text's media type.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A value of a network, with a label of its own or none.
type Values = fn(&Status, Instant) -> Vec<(&'static str, u64)>;

struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    /// The label's name, if values have one beside `network`.
    label: &'static str,
    values: Values,
}

const fn gauge(name: &'static str, help: &'static str, values: Values) -> Family {
    Family { name, kind: "gauge", help, label: "", values }
}

const fn counter(name: &'static str, help: &'static str, values: Values) -> Family {
    Family { name, kind: "counter", help, label: "", values }
}

const FAMILIES: [Family; 17] = [
    Family {
        name: "gingham_addresses",
        kind: "gauge",
        help: "Addresses of this node's blocks: used has a lease, free can be handed out, cooling rests after use.",
        label: "state",
        values: |status, _| {
            let usage = &status.usage;
            vec![("cooling", usage.cooling), ("free", usage.free), ("used", usage.used)]
        },
    },
    gauge("gingham_blocks", "Blocks that this node holds.", |status, _| one(status.usage.blocks)),
    gauge(
        "gingham_stray_addresses",
        "Addresses that containers have here although this node does not hold their blocks any more.",
        |status, _| one(u64::try_from(status.usage.outside.len()).unwrap_or(u64::MAX)),
    ),
    gauge("gingham_members", "Nodes of the cluster, this one among them.", |status, _| one(status.members)),
    gauge("gingham_routes", "Routes to blocks of other nodes, adjacent blocks of one node together.", |status, _| {
        one(status.routes)
    }),
    gauge("gingham_route_conflicts", "Prefixes of other nodes that a foreign route leads elsewhere.", |status, _| {
        one(status.route_conflicts)
    }),
    gauge("gingham_unreached", "Nodes and blocks that this node cannot reach.", |status, _| one(status.unreached)),
    gauge(
        "gingham_unreadable_records",
        "Records of the cluster's store that this version cannot read.",
        |status, _| one(status.unreadable),
    ),
    gauge("gingham_kept", "1 if the last round did all it should, else 0.", |status, _| {
        one(u64::from(status.state == State::Kept))
    }),
    gauge(
        "gingham_store_age_seconds",
        "Time since the cluster's store last answered; absent if it never did.",
        |status, now| {
            let answered = status.store_answered.map(|answered| now.saturating_duration_since(answered).as_secs());
            answered.map(|age| ("", age)).into_iter().collect()
        },
    ),
    gauge("gingham_last_round_age_seconds", "Time since the last round ended.", |status, now| {
        one(now.saturating_duration_since(status.last_round).as_secs())
    }),
    counter("gingham_rounds_total", "Rounds of upkeep that are over.", |status, _| one(status.rounds)),
    counter("gingham_claims_total", "Blocks claimed ahead.", |status, _| one(status.claims)),
    counter("gingham_releases_total", "Blocks given back.", |status, _| one(status.releases)),
    counter("gingham_collected_addresses_total", "Addresses freed because their sandbox was gone.", |status, _| {
        one(status.collected)
    }),
    counter(
        "gingham_store_errors_total",
        "Times that the cluster's store did not answer as it should.",
        |status, _| one(status.store_errors),
    ),
    counter(
        "gingham_ownership_conflicts_total",
        "Blocks that this node held and the store said are another's.",
        |status, _| one(status.ownership_conflicts),
    ),
];

fn one(value: u64) -> Vec<(&'static str, u64)> {
    vec![("", value)]
}

/// The text for all networks.
pub(crate) fn render(networks: &BTreeMap<String, Status>, now: Instant) -> String {
    let mut text = String::new();
    family(&mut text, "gingham_node_build_info", "gauge", "Always 1; the label says which version runs.");
    let _ = writeln!(text, "gingham_node_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    for it in &FAMILIES {
        family(&mut text, it.name, it.kind, it.help);
        for (network, status) in networks {
            for (label, value) in (it.values)(status, now) {
                let label = if label.is_empty() { String::new() } else { format!(",{}=\"{label}\"", it.label) };
                let _ = writeln!(text, "{}{{network=\"{}\"{label}}} {value}", it.name, escaped(network));
            }
        }
    }
    text
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    text::line(value).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster::Usage;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let quiet = Status { last_round: after(8), ..Status::new(Duration::from_secs(5)) };
        let busy = Status {
            state: State::Kept,
            usage: Usage { used: 200, free: 50, cooling: 4, blocks: 1, outside: vec!["10.32.0.1".parse().unwrap()] },
            members: 3,
            routes: 2,
            claims: 1,
            store_answered: Some(after(7)),
            ..quiet.clone()
        };
        let networks = [("mynet".to_owned(), busy), ("a \"quoted\\\nname".to_owned(), quiet)].into();
        insta::assert_snapshot!(render(&networks, after(10)));
    }
}
