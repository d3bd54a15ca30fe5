//! Random sequences, and how they get simpler.

use std::net::IpAddr;
use std::time::Duration;

use gingham_engine::attachment::{Fact, Labels, Owner, PodFacts};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{select, subsequence};
use proptest::strategy::{BoxedStrategy, Union};
use serde_json::Value;

use super::narrowing::{MOST_FREE, Usable};
use super::sequence::{Identity, Narrowing, Sequence, Step};

/// Containers of a sequence, beside those that fill pools.
const CONTAINERS: usize = 8;

/// Steps of a sequence, at most.
const STEPS: usize = 40;

/// What sequences are made of.
pub(super) struct Material {
    /// Words that mean something to the policy: those of its configuration.
    words: Vec<String>,
    /// Keys that the policy asks for and its configuration does not name.
    asked: Vec<String>,
    /// Addresses that requests name and narrowings leave free.
    addresses: Vec<IpAddr>,
    can_be_leased: bool,
    configurations: usize,
    cooldown: Duration,
}

impl Material {
    pub(super) fn new(configurations: &[Value], usable: &[Usable], is_cluster: bool, cooldown: Duration) -> Self {
        let mut words = Vec::new();
        configurations.iter().for_each(|ipam| collect_words(ipam, &mut words));
        words.sort();
        words.dedup();
        let mut addresses: Vec<IpAddr> = usable.iter().flat_map(Usable::ends).collect();
        addresses.sort_unstable();
        addresses.dedup();
        // A member of a cluster leases nothing outside of its blocks.
        let can_be_leased = !is_cluster && usable.first().is_some_and(Usable::can_be_leased);
        Self { words, asked: Vec::new(), addresses, can_be_leased, configurations: configurations.len(), cooldown }
    }

    pub(super) fn asked(mut self, keys: &[String]) -> Self {
        self.asked = keys.iter().filter(|key| !self.words.contains(key)).cloned().collect();
        self
    }

    pub(super) fn sequences(&self) -> BoxedStrategy<Sequence> {
        let containers = vec(self.identity(), CONTAINERS).prop_map(alike);
        let steps = vec(self.step(), 1..=STEPS);
        // Steps get fewer first: what is left is quicker to try.
        let sequence = |(steps, narrowing, containers)| Sequence { narrowing, containers, steps };
        (steps, self.narrowing(), containers).prop_map(sequence).boxed()
    }

    fn narrowing(&self) -> BoxedStrategy<Narrowing> {
        if self.addresses.is_empty() {
            return Just(Narrowing::Nothing).boxed();
        }
        let free = || subsequence(self.addresses.clone(), 1..=self.addresses.len().min(MOST_FREE));
        let excluded = free().prop_map(|free| Narrowing::Excluded { free });
        let leased = free().prop_map(|free| Narrowing::Leased { free });
        let leased = if self.can_be_leased { leased.boxed() } else { Just(Narrowing::Nothing).boxed() };
        prop_oneof![1 => Just(Narrowing::Nothing), 2 => leased, 2 => excluded].boxed()
    }

    fn step(&self) -> BoxedStrategy<Step> {
        let container = || 0..CONTAINERS;
        let requested = prop_oneof![
            7 => Just(Vec::new()),
            3 => subsequence(self.addresses.clone(), 0..=2.min(self.addresses.len())),
        ];
        let pauses = [Duration::from_secs(1), self.cooldown, Duration::from_hours(1), 25 * HOUR, 31 * 24 * HOUR];
        let mut steps: Vec<(u32, BoxedStrategy<Step>)> = vec![
            (
                40,
                (container(), requested).prop_map(|(container, requested)| Step::Add { container, requested }).boxed(),
            ),
            (20, container().prop_map(|container| Step::Del { container }).boxed()),
            (8, container().prop_map(|container| Step::Retry { container }).boxed()),
            (4, container().prop_map(|container| Step::Withdraw { container }).boxed()),
            (3, vec(container(), 1..=3).prop_map(|containers| Step::Collect { containers }).boxed()),
            (4, Just(Step::Fill).boxed()),
            (3, Just(Step::Reboot).boxed()),
            (9, select(pauses.to_vec()).prop_map(|by| Step::Advance { by }).boxed()),
            (2, Just(Step::SetBack { by: HOUR }).boxed()),
        ];
        if self.configurations > 1 {
            steps.push((4, (0..self.configurations).prop_map(|to| Step::Reconfigure { to }).boxed()));
        }
        Union::new_weighted(steps).boxed()
    }

    fn identity(&self) -> BoxedStrategy<Identity> {
        let namespaces = self.with_own_words(&["batch", "shop"]);
        let names = select(["web-0", "web-1", "db", "job-x7k2p"].as_slice());
        let pod = option::weighted(0.8, (select(namespaces), names.prop_map(str::to_owned)));
        let args = prop_oneof![6 => Just(Labels::new()), 1 => self.labels()];
        let identity = |(pod, facts, args)| Identity { pod, facts, args };
        (pod, self.facts(), args).prop_map(identity).boxed()
    }

    /// Of a pod all facts are unknown, or all known as far as there are any.
    fn facts(&self) -> BoxedStrategy<PodFacts> {
        let owner = prop_oneof![
            Just(Fact::Absent),
            select([("StatefulSet", "web"), ("ReplicaSet", "db-5f7c")].as_slice()).prop_map(|(kind, name)| {
                Fact::Known(Owner { kind: kind.to_owned(), name: name.to_owned(), uid: "7b1d".to_owned() })
            }),
        ];
        let account = prop_oneof![Just(Fact::Absent), Just(Fact::Known("default".to_owned()))];
        let labels = || self.labels();
        let known = (owner, account, labels(), labels(), labels(), labels()).prop_map(
            |(owner, service_account, labels, annotations, of_namespace, annotations_of_namespace)| PodFacts {
                service_account,
                owner,
                labels: Some(labels),
                annotations: Some(annotations),
                namespace_labels: Some(of_namespace),
                namespace_annotations: Some(annotations_of_namespace),
            },
        );
        (any::<bool>(), known).prop_map(|(is_known, known)| if is_known { known } else { PodFacts::default() }).boxed()
    }

    /// Mostly of words that mean something to the policy.
    fn labels(&self) -> BoxedStrategy<Labels> {
        let words = self.with_own_words(&["app", "web"]);
        let own = if self.words.is_empty() { words.clone() } else { self.words.clone() };
        let of_configuration = prop_oneof![
            btree_map(select(words.clone()), select(words.clone()), 0..=2),
            btree_map(select(own.clone()), select(own), 1..=6),
        ];
        if self.asked.is_empty() {
            return of_configuration.boxed();
        }
        // What such a key is for is not known: a name, a number or an address.
        let addresses = self.addresses.iter().map(ToString::to_string);
        let values: Vec<String> = words.into_iter().chain(["3".to_owned()]).chain(addresses).collect();
        let of_policy = btree_map(select(self.asked.clone()), select(values), 1..=self.asked.len().min(6));
        prop_oneof![1 => of_configuration, 2 => of_policy].boxed()
    }

    fn with_own_words(&self, words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).chain(self.words.clone()).collect()
    }
}

/// What is known of a pod is the same for all its containers.
fn alike(mut containers: Vec<Identity>) -> Vec<Identity> {
    for index in 1..containers.len() {
        let (before, rest) = containers.split_at_mut(index);
        let Some(it) = rest.first_mut().filter(|it| it.pod.is_some()) else { continue };
        if let Some(first) = before.iter().find(|first| first.pod == it.pod) {
            it.facts = first.facts.clone();
        }
    }
    containers
}

const HOUR: Duration = Duration::from_hours(1);

/// Keys and texts of a configuration that could be names: of namespaces, labels and their values.
fn collect_words(value: &Value, words: &mut Vec<String>) {
    match value {
        Value::String(text) => words.extend(is_name(text).then(|| text.clone())),
        Value::Array(values) => values.iter().for_each(|value| collect_words(value, words)),
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            words.extend(is_name(key).then(|| key.clone()));
            collect_words(value, words);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_name(text: &str) -> bool {
    let begins = text.chars().next().is_some_and(|first| first.is_ascii_alphabetic());
    let all = text.chars().all(|c| c.is_ascii_alphanumeric() || "-._/".contains(c));
    // Addresses of IPv6 may begin with a letter and have colons.
    begins && all && text.len() <= 63
}
