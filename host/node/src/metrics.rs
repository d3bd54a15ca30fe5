//! Metrics in Prometheus' text format 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

use gingham_engine::ipam::{PoolRoom, ShadowCounters};
use gingham_untrusted::text;

use crate::local_networks::LocalNetwork;
use crate::reconcile::{State, Status};

pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The values of a network, each with a label or an empty one.
type Values = fn(&Status, Instant) -> Vec<(&'static str, u64)>;

struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    /// The name of the label beside `network`, if there is one.
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
        help: "Addresses of this node's blocks. used: leased. free: can be handed out. cooling: freed and not handed out yet.",
        label: "state",
        values: |status, _| {
            let usage = &status.usage;
            vec![("cooling", usage.cooling), ("free", usage.free), ("used", usage.used)]
        },
    },
    gauge("gingham_blocks", "Blocks that this node holds.", |status, _| one(status.usage.blocks)),
    gauge(
        "gingham_stray_addresses",
        "Addresses of containers on this node whose blocks this node does not hold any more.",
        |status, _| one(u64::try_from(status.usage.outside.len()).unwrap_or(u64::MAX)),
    ),
    gauge("gingham_members", "Nodes of the cluster, including this one.", |status, _| one(status.members)),
    gauge(
        "gingham_routes",
        "Routes to blocks of other nodes. Adjacent blocks of one node share a route.",
        |status, _| one(status.routes),
    ),
    gauge("gingham_route_conflicts", "Prefixes of other nodes with a route of another program.", |status, _| {
        one(status.route_conflicts)
    }),
    gauge("gingham_missing_routes", "Nodes and blocks that this node has no route to.", |status, _| {
        one(status.missing_routes)
    }),
    gauge(
        "gingham_unreadable_records",
        "Records of the cluster's store that this version cannot read.",
        |status, _| one(status.unreadable),
    ),
    gauge("gingham_last_reconcile_succeeded", "1 if the last reconcile succeeded, else 0.", |status, _| {
        one(u64::from(status.state == State::Reconciled))
    }),
    gauge(
        "gingham_store_contact_age_seconds",
        "Time since the cluster's store last answered. Absent if it never did.",
        |status, now| {
            let answered = status.store_answered.map(|answered| now.saturating_duration_since(answered).as_secs());
            answered.map(|age| ("", age)).into_iter().collect()
        },
    ),
    gauge("gingham_last_reconcile_age_seconds", "Time since the last reconcile ended.", |status, now| {
        one(now.saturating_duration_since(status.last_reconcile).as_secs())
    }),
    counter("gingham_reconciles_total", "Reconciles.", |status, _| one(status.reconciles)),
    counter("gingham_block_claims_total", "Blocks claimed ahead.", |status, _| one(status.claims)),
    counter("gingham_block_releases_total", "Blocks released.", |status, _| one(status.releases)),
    counter("gingham_collected_addresses_total", "Addresses freed because their sandbox was gone.", |status, _| {
        one(status.collected)
    }),
    counter("gingham_store_errors_total", "Failed calls of the cluster's store.", |status, _| one(status.store_errors)),
    counter(
        "gingham_ownership_conflicts_total",
        "Blocks that this node held and that the store assigns to another node.",
        |status, _| one(status.ownership_conflicts),
    ),
];

fn one(value: u64) -> Vec<(&'static str, u64)> {
    vec![("", value)]
}

pub(crate) fn render(
    networks: &BTreeMap<String, Status>,
    local: &BTreeMap<String, LocalNetwork>,
    now: Instant,
) -> String {
    let mut text = String::new();
    family(&mut text, "gingham_node_build_info", "gauge", "Always 1. The label is the running version.");
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
    of_pools(&mut text, local);
    of_shadows(&mut text, local);
    text
}

fn of_pools(text: &mut String, local: &BTreeMap<String, LocalNetwork>) {
    let help = "Addresses of a pool of a network without a cluster. used: leased. free: can be handed out. cooling: freed and \
                not handed out yet.";
    family(text, "gingham_pool_addresses", "gauge", help);
    for (network, LocalNetwork { pools, .. }) in local {
        for PoolRoom { name, free, cooling, leased, .. } in pools {
            for (state, value) in [("cooling", cooling), ("free", free), ("used", leased)] {
                let (network, pool) = (escaped(network), escaped(name));
                let labels = format!("network=\"{network}\",pool=\"{pool}\",state=\"{state}\"");
                let _ = writeln!(text, "gingham_pool_addresses{{{labels}}} {value}");
            }
        }
    }
}

fn of_shadows(text: &mut String, local: &BTreeMap<String, LocalNetwork>) {
    let help = "Answers of the shadow policy, beside those of the policy that decides. Kept in the lease store.";
    family(text, "gingham_shadow_answers_total", "counter", help);
    for (network, shadow) in local.iter().filter_map(|(name, local)| Some((name, local.shadow.as_ref()?))) {
        let ShadowCounters { agreed, differed, refused, rejected, failed, .. } = shadow;
        let results = [
            ("agreed", agreed),
            ("differed", differed),
            ("failed", failed),
            ("refused", refused),
            ("rejected", rejected),
        ];
        for (result, value) in results {
            let network = escaped(network);
            let _ = writeln!(text, "gingham_shadow_answers_total{{network=\"{network}\",result=\"{result}\"}} {value}");
        }
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A label's value as the format requires it.
fn escaped(value: &str) -> String {
    text::line(value).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster_calls::Usage;

    #[test]
    fn the_dashboard_names_metrics_that_exist() {
        let text = include_str!("../../../deploy/grafana/gingham.json");
        let rendered = render(&BTreeMap::new(), &BTreeMap::new(), Instant::now());
        let known: Vec<&str> =
            rendered.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let named: Vec<&str> = words.filter(|word| word.starts_with("gingham_")).collect();
        assert!(named.len() >= 15, "{named:?}");
        for name in named {
            assert!(known.contains(&name), "{name} is no metric");
        }
    }

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let quiet = Status { last_reconcile: after(8), ..Status::new(Duration::from_secs(5)) };
        let busy = Status {
            state: State::Reconciled,
            usage: Usage { used: 200, free: 50, cooling: 4, blocks: 1, outside: vec!["10.32.0.1".parse().unwrap()] },
            members: 3,
            routes: 2,
            claims: 1,
            store_answered: Some(after(7)),
            ..quiet.clone()
        };
        let networks = [("mynet".to_owned(), busy), ("a \"quoted\\\nname".to_owned(), quiet)].into();
        let pools = vec![PoolRoom { name: "10.1.0.0/24".to_owned(), free: 3, leased: 250, ..PoolRoom::default() }];
        let shadow = ShadowCounters { agreed: 7, differed: 2, failed: 1, ..ShadowCounters::default() };
        let local = [("alone".to_owned(), LocalNetwork { pools, shadow: Some(shadow) })].into();
        insta::assert_snapshot!(render(&networks, &local, after(10)));
    }
}
