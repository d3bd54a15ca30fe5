//! Pseudonyms for personal data of pods: the same text has the same pseudonym in all of a history, so that a policy that
//! compares names decides alike in a replay. Without the key, which is no part of a history, a text can be neither read
//! nor guessed and checked.
//!
//! What stays readable: keys of labels, annotations and arguments; texts that the configuration has itself, such as the
//! namespaces that it names; numbers, addresses and truth values; and the number at the end of a name, "web-0".

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::writer::{HistoryFile, WriteError, key};
use super::{Ended, Event, HeldAddresses, Outcome, RecordedRequest, Requested, Snapshot};
use crate::address::IpRange;
use crate::attachment::{Fact, Labels, Pod};
use crate::ipam::Comparison;

/// The shortest text that is looked for within sentences: a shorter one is part of many words.
const SHORTEST_IN_SENTENCES: usize = 3;

/// Replaces personal data.
pub struct Pseudonyms {
    key: [u8; 32],
    /// Texts of the configuration.
    known: BTreeSet<String>,
    /// What was replaced so far, by what.
    replaced: BTreeMap<String, String>,
}

impl Pseudonyms {
    /// Those of a history. `ipam` is the configuration.
    ///
    /// # Errors
    /// If the key can neither be read nor made.
    pub fn of(file: &HistoryFile, ipam: &Map<String, Value>) -> Result<Self, WriteError> {
        Ok(Self::new(key(file)?, ipam))
    }

    fn new(key: [u8; 32], ipam: &Map<String, Value>) -> Self {
        let mut known = BTreeSet::new();
        texts(&Value::Object(ipam.clone()), &mut known);
        Self { key, known, replaced: BTreeMap::new() }
    }

    pub fn replace(&mut self, event: &mut Event) {
        match event {
            Event::Request(requested) => self.requested(requested),
            Event::End(Ended { pod, still_cooling, .. }) => {
                self.pod(pod);
                still_cooling.iter_mut().for_each(|cooling| self.pod(&mut cooling.pod));
            }
            Event::Snapshot(snapshot) => self.snapshot(snapshot),
            Event::Start(_) | Event::EndReservations(_) => {}
        }
    }

    fn requested(&mut self, requested: &mut Requested) {
        self.request(&mut requested.request);
        match &mut requested.outcome {
            Outcome::Granted(answer) => self.sentence_if_any(&mut answer.reason),
            Outcome::Refused(refused) => self.sentence(&mut refused.message),
            Outcome::Failed { message } => self.sentence(message),
        }
        match requested.shadow.as_mut().map(|shadow| &mut shadow.comparison) {
            None | Some(Comparison::Agreed) => {}
            Some(Comparison::Differed(answer)) => self.sentence_if_any(&mut answer.reason),
            Some(Comparison::Refused(text) | Comparison::Rejected(text) | Comparison::Failed(text)) => {
                self.sentence(text);
            }
        }
    }

    fn request(&mut self, request: &mut RecordedRequest) {
        self.pod(&mut request.pod);
        if let Fact::Known(account) = &mut request.service_account {
            self.text(account);
        }
        if let Fact::Known(owner) = &mut request.owner {
            self.text(&mut owner.name);
            self.text(&mut owner.uid);
        }
        let labels = [
            &mut request.labels,
            &mut request.annotations,
            &mut request.namespace_labels,
            &mut request.namespace_annotations,
        ];
        labels.into_iter().flatten().for_each(|labels| self.values(labels));
        self.values(&mut request.args_labels);
        request.cni_args.iter_mut().for_each(|(_, value)| self.text(value));
        if let Some(mac) = &mut request.mac {
            *mac = self.mac(*mac);
        }
    }

    /// Reservation keys and policy state may be made of names, and sentences of earlier requests as well.
    fn snapshot(&mut self, snapshot: &mut Snapshot) {
        for HeldAddresses { pod, reason, .. } in &mut snapshot.leases {
            self.pod(pod);
            *reason = None;
        }
        snapshot.cooling.iter_mut().for_each(|cooling| self.pod(&mut cooling.pod));
        snapshot.complete &= snapshot.reservations.is_empty() && snapshot.state.is_empty();
        snapshot.reservations.clear();
        snapshot.state.clear();
    }

    fn pod(&mut self, pod: &mut Pod) {
        [&mut pod.namespace, &mut pod.name, &mut pod.uid].into_iter().flatten().for_each(|text| self.text(text));
    }

    fn values(&mut self, labels: &mut Labels) {
        labels.values_mut().for_each(|value| self.text(value));
    }

    fn text(&mut self, text: &mut String) {
        if self.is_readable(text) {
            return;
        }
        let (name, ordinal) = split_ordinal(text);
        let pseudonym = self.digits(name) + ordinal;
        self.replaced.insert(std::mem::replace(text, pseudonym.clone()), pseudonym);
    }

    fn is_readable(&self, text: &str) -> bool {
        text.is_empty()
            || self.known.contains(text)
            || matches!(text, "true" | "false")
            || text.parse::<f64>().is_ok()
            || text.parse::<IpAddr>().is_ok()
            || text.parse::<IpNet>().is_ok()
            || text.parse::<IpRange>().is_ok()
    }

    fn sentence_if_any(&self, sentence: &mut Option<String>) {
        sentence.iter_mut().for_each(|sentence| self.sentence(sentence));
    }

    /// The longest first: "web" is part of "web-0".
    fn sentence(&self, sentence: &mut String) {
        let mut replaced: Vec<_> = self.replaced.iter().collect();
        replaced.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        for (text, pseudonym) in replaced {
            if text.len() >= SHORTEST_IN_SENTENCES && sentence.contains(text.as_str()) {
                *sentence = sentence.replace(text.as_str(), pseudonym);
            }
        }
    }

    /// A name that Kubernetes would accept.
    fn digits(&self, text: &str) -> String {
        let bytes = self.hash(text.as_bytes());
        bytes.iter().take(8).fold("h".to_owned(), |digits, byte| format!("{digits}{byte:02x}"))
    }

    /// A locally administered address of one machine.
    fn mac(&self, mac: [u8; 6]) -> [u8; 6] {
        let hash = self.hash(&mac);
        std::array::from_fn(|index| if index == 0 { hash[0] & 0xfc | 0x02 } else { hash[index] })
    }

    fn hash(&self, bytes: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update(self.key).chain_update(bytes).finalize().into()
    }
}

/// "web-0" is pod 0 of "web", and policies know that.
fn split_ordinal(text: &str) -> (&str, &str) {
    let is_ordinal = |digits: &str| (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    match text.rfind('-') {
        Some(at) if at > 0 && is_ordinal(&text[at + 1..]) => text.split_at(at),
        _ => (text, ""),
    }
}

/// All texts in a value, keys included.
fn texts(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            into.insert(text.clone());
        }
        Value::Array(list) => list.iter().for_each(|value| texts(value, into)),
        Value::Object(object) => {
            for (key, value) in object {
                into.insert(key.clone());
                texts(value, into);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::Refused;
    use super::*;
    use crate::attachment::{Owner, Refusal};
    use crate::ipam::ShadowAnswer;

    fn requested(namespace: &str, name: &str) -> Event {
        let pod = Pod { namespace: Some(namespace.to_owned()), name: Some(name.to_owned()), uid: None };
        let labels = [("app", "billing"), ("ordinal", "3"), ("address", "10.1.0.7")];
        let request = RecordedRequest {
            pod,
            owner: Fact::Known(Owner { kind: "StatefulSet".to_owned(), name: "web".to_owned(), uid: "u".to_owned() }),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            cni_args: vec![("K8S_POD_NAME".to_owned(), name.to_owned())],
            mac: Some([0x52, 0x54, 0, 1, 2, 3]),
            ..RecordedRequest::default()
        };
        let refusal = Refusal::Denied(format!("{namespace}/{name} has no quota for billing"));
        let outcome = Outcome::Refused(Refused::from(&refusal));
        let text = format!("{name} of billing is not for this shadow");
        let shadow = Some(ShadowAnswer { policy: "other".to_owned(), comparison: Comparison::Refused(text) });
        Event::Request(Box::new(Requested { shadow, ..Requested::new(request, outcome) }))
    }

    fn replaced(pseudonyms: &mut Pseudonyms, mut event: Event) -> Requested {
        pseudonyms.replace(&mut event);
        let Event::Request(requested) = event else { panic!("{event:?}") };
        *requested
    }

    #[test]
    fn names_are_replaced_and_comparisons_come_out_alike() {
        let ipam = serde_json::json!({"pools": {"red": {"subnet": "10.1.0.0/24"}}});
        let mut pseudonyms = Pseudonyms::new([7; 32], ipam.as_object().unwrap());
        let one = replaced(&mut pseudonyms, requested("shop", "web-0"));
        let other = replaced(&mut pseudonyms, requested("red", "web-1"));
        let text = serde_json::to_string(&(&one, &other)).unwrap();
        for name in ["shop", "web", "billing", "52"] {
            assert!(!text.contains(&format!("\"{name}")), "{name}: {text}");
        }
        assert!(!text.contains("shop/") && !text.contains("for billing") && !text.contains("of billing"), "{text}");
        let Fact::Known(owner) = &one.request.owner else { panic!("{one:?}") };
        assert_eq!(one.request.pod.name.as_deref(), Some(format!("{}-0", owner.name).as_str()));
        assert_eq!(one.request.cni_args[0].1, one.request.pod.name.clone().unwrap());
        assert_eq!(other.request.pod.namespace.as_deref(), Some("red"), "the configuration names it");
        assert_eq!(other.request.labels, one.request.labels);
        assert_eq!(one.request.labels.as_ref().unwrap()["ordinal"], "3");
        assert_eq!(one.request.labels.as_ref().unwrap()["address"], "10.1.0.7");
        assert_eq!(one.request.mac.unwrap()[0] & 3, 2);
        let another_key = replaced(&mut Pseudonyms::new([8; 32], &Map::new()), requested("shop", "web-0"));
        assert_ne!(another_key.request.pod, one.request.pod);
    }

    #[test]
    fn a_snapshot_says_that_something_is_left_out() {
        let state = vec![super::super::StateEntry::new("shop/web-0".to_owned(), b"x")];
        let mut event = Event::Snapshot(Snapshot { state, complete: true, ..Snapshot::default() });
        Pseudonyms::new([7; 32], &Map::new()).replace(&mut event);
        assert_eq!(event, Event::Snapshot(Snapshot::default()));
    }
}
