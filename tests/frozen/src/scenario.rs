//! One history of a network, in which a policy can call every function of the contract.

use std::collections::BTreeSet;
use std::fmt::{Debug, Display, Write as _};
use std::time::Duration;

use gingham_engine::attachment::{
    Answer, AttachmentKey, Dns, Fact, Labels, Owner, PodFacts, Refusal, Request, Requester,
};
use gingham_engine::compile::Compiler;
use gingham_engine::ipam::{IpamError, IpamResult};
use gingham_engine::pool::Pool;
use gingham_workbench::report::answer_line;
use gingham_workbench::{Released, Run, Scenario};
use serde_json::{Value, json};

/// What a policy saw and answered.
#[derive(Default)]
pub struct Observed {
    pub text: String,
    /// The functions of the host that it called: `leases.next-free`.
    pub functions: BTreeSet<String>,
}

/// Runs the history.
pub fn run(name: &str, component: &[u8]) -> Observed {
    let policy = Compiler::new().unwrap().load("fixture", component).unwrap_or_else(|error| {
        panic!("{name} was built for a released version of the contract, and this host refuses it: {error}")
    });
    let mut scenario = Scenario::new(&policy, config()).unwrap();
    scenario.set_trace(true);
    scenario.set_members(["node-1", "node-2"].map(str::to_owned));
    let mut history = History { scenario, observed: Observed::default() };
    history.configurations();
    history.requests();
    history.refusals();
    history.ends();
    history.adoption();
    history.cluster();
    history.observed
}

fn config() -> Value {
    json!({"range": "10.32.0.0/24", "exclude": ["10.32.0.7/32"], "cooldown": "20s"})
}

fn labels(pairs: [(&str, &str); 2]) -> Labels {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

struct History {
    scenario: Scenario,
    observed: Observed,
}

impl History {
    fn configurations(&mut self) {
        let run = self.scenario.check_config();
        self.note("check-config", &run, |pools| pools_text(pools));
        self.scenario.reconfigure(json!({"exclude": ["10.32.0.7/32"]})).unwrap();
        let run = self.scenario.check_config();
        self.note("check-config without a range", &run, |pools| pools_text(pools));
        self.scenario.reconfigure(config()).unwrap();
    }

    fn requests(&mut self) {
        let request = self.scenario.request("c1");
        self.add("a container of which nothing is known", &request);
        self.scenario.set_node_labels(Some(labels([("zone", "a"), ("arch", "arm64")])));
        self.scenario.claim("node-2", "10.32.0.64/28".parse().unwrap()).unwrap();
        let request = Request { args_labels: label("key", "shop/web-0"), ..self.pod("c2", "web-0") };
        self.add("a pod of which everything is known", &request);
        let known = PodFacts { service_account: Fact::Absent, owner: Fact::Absent, ..PodFacts::default() };
        let request = Request { facts: known, ..self.scenario.request("c3") };
        self.add("a container without an owner", &request);
        let request = Request { requester: Requester::Script, ..self.scenario.request("owner/x") };
        self.add("a script", &request);
        let request = Request { requested: vec!["10.32.0.12".parse().unwrap()], ..self.pod("c4", "web-1") };
        self.add("a requested address", &Request { args_labels: label("key", "ends"), ..request });
    }

    fn refusals(&mut self) {
        for kind in ["exhausted", "unavailable", "try-again", "try-again-later", "denied", "invalid-config", "other"] {
            let request = Request { args_labels: label("refuse", kind), ..self.scenario.request("refused") };
            self.add(&format!("a request that is refused as {kind}"), &request);
        }
    }

    fn ends(&mut self) {
        for container in ["c1", "c2"] {
            let run = self.scenario.del(&key(container));
            self.note(&format!("the end of {container}"), &run, released_text);
        }
        let request = self.scenario.request("c8");
        self.add("while addresses cool", &request);
        self.scenario.advance(Duration::from_secs(30));
        let request = Request { args_labels: label("key", "kept"), ..self.pod("c5", "web-0") };
        self.add("a reserved address", &request);
        self.scenario.advance(Duration::from_mins(5));
        let request = self.scenario.request("c6");
        if let Some(result) = self.add("after the reservations", &request) {
            let run = self.scenario.withdraw(&request.key, &result);
            self.note("an ADD that fails later", &run, released_text);
        }
    }

    fn adoption(&mut self) {
        let leases = [("old-1", "10.32.0.14"), ("old-2", "10.32.0.13")];
        let leases = leases.map(|(container, address)| (key(container), address.parse().unwrap()));
        self.scenario.adopt(leases, [(0, "10.32.0.14".parse().unwrap())]).unwrap();
        let request = self.scenario.request("c7");
        self.add("after an adoption", &request);
    }

    fn cluster(&mut self) {
        for member in ["node-1", "node-2", "node-9"] {
            let run = self.scenario.share(member).unwrap();
            self.note(&format!("the share of {member}"), &run, |ranges| {
                joined(ranges.iter().map(|range| format!("{}-{}", range.first(), range.last())))
            });
        }
        for pool in 0..2 {
            let run = self.scenario.next_block(pool).unwrap();
            self.note(&format!("the next block of pool {pool}"), &run, |proposal| proposal.block.to_string());
        }
        let mut off_grid = config();
        off_grid["offGrid"] = true.into();
        self.scenario.reconfigure(off_grid).unwrap();
        let run = self.scenario.share("node-1").unwrap();
        self.note("grids that are refused", &run, |ranges| {
            joined(ranges.iter().map(|range| format!("{}-{}", range.first(), range.last())))
        });
    }

    fn pod(&mut self, container: &str, name: &str) -> Request {
        let mut request = self.scenario.request(container);
        request.requester = Requester::Pod;
        request.pod.namespace = Some("shop".to_owned());
        request.pod.name = Some(name.to_owned());
        request.pod.uid = Some("00000000-0000-4000-8000-000000000001".to_owned());
        request.facts = PodFacts {
            service_account: Fact::Known("seller".to_owned()),
            owner: Fact::Known(Owner { kind: "StatefulSet".to_owned(), name: "web".to_owned(), uid: "u-1".to_owned() }),
            labels: Some(labels([("a", "of the pod"), ("b", "é")])),
            annotations: Some(labels([("a", "note"), ("c", "")])),
            namespace_labels: Some(labels([("a", "of the namespace"), ("d", "1")])),
            namespace_annotations: Some(labels([("e", "1"), ("f", "2")])),
        };
        request.cni_args = vec![("IgnoreUnknown".to_owned(), "1".to_owned()), ("KEY".to_owned(), "v".to_owned())];
        request.mac = Some([2, 0, 0, 0, 0, 7]);
        request.resolv_conf = Some(Dns {
            nameservers: vec!["192.0.2.53".to_owned()],
            domain: Some("example".to_owned()),
            search: vec!["a.example".to_owned(), "b.example".to_owned()],
            options: vec!["ndots:2".to_owned()],
        });
        request
    }

    fn add(&mut self, what: &str, request: &Request) -> Option<IpamResult> {
        let run = self.scenario.add(request).unwrap();
        self.note(what, &run, |result| answer_text(&result.answer));
        run.result.ok()
    }

    /// Everything but what it cost: that changes with the compiler.
    fn note<T: Debug>(&mut self, what: &str, run: &Run<T>, shown: impl Fn(&T) -> String) {
        let result = match &run.result {
            Ok(result) => shown(result),
            Err(IpamError::Refused { refusal, .. }) => format!("refused: {}", refusal_text(refusal)),
            Err(error) => format!("error: {error}"),
        };
        self.line(format_args!("# {what}\n{result}"));
        for line in &run.log {
            self.line(format_args!("  {:?}: {}", line.level, line.message));
        }
        if let Some(difference) = &run.difference {
            self.line(format_args!("  not deterministic: {difference}"));
        }
        self.observed.functions.extend(run.trace.iter().map(|traced| traced.call.function.clone()));
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a text does not fail.
        let _ = writeln!(self.observed.text, "{line}");
    }
}

fn key(container: &str) -> AttachmentKey {
    AttachmentKey { container_id: container.to_owned(), interface: "eth0".to_owned() }
}

fn label(key: &str, value: &str) -> Labels {
    [(key.to_owned(), value.to_owned())].into()
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(", ")
}

fn pools_text(pools: &[Pool]) -> String {
    let pools = pools.iter().map(|pool| {
        let ranges = pool.ranges.iter().map(|part| {
            let range = format!("{}-{} of {}", part.range.first(), part.range.last(), part.prefix);
            let edges = format!("network {}, broadcast {}", part.edges.network, part.edges.broadcast);
            format!("{range} (gateway {:?}, {edges}, draining {})", part.gateway, part.draining)
        });
        format!("{}: {}", pool.name, joined(ranges))
    });
    pools.collect::<Vec<_>>().join("\n")
}

fn answer_text(answer: &Answer) -> String {
    let dns = answer.dns.as_ref().map_or_else(String::new, |dns| {
        let Dns { nameservers, domain, search, options } = dns;
        format!("\ndns {nameservers:?}, domain {domain:?}, search {search:?}, options {options:?}")
    });
    format!("{}{dns}\nreason {:?}", answer_line(answer), answer.reason)
}

fn refusal_text(refusal: &Refusal) -> String {
    let (kind, message) = match refusal {
        Refusal::Exhausted(message) => ("exhausted", message.clone()),
        Refusal::Unavailable(message) => ("unavailable", message.clone()),
        Refusal::TryAgain { message, after } => ("try-again", format!("{message}, after {after:?}")),
        Refusal::Denied(message) => ("denied", message.clone()),
        Refusal::InvalidConfig(problem) => ("invalid-config", format!("{}: {}", problem.key, problem.message)),
        Refusal::Other(message) => ("other", message.clone()),
    };
    format!("{kind}: {message}")
}

fn released_text(released: &Released) -> String {
    let freed = joined(released.addresses.iter().map(ToString::to_string));
    format!("freed {freed}{}", released.hook_failure.as_ref().map(|why| format!("; {why}")).unwrap_or_default())
}
