//! A container that requests addresses, and what is expected of it. A network makes attachments, and they act on it: three files of one type.

use std::net::IpAddr;

use gingham_engine::attachment::{Answer, Dns, Fact, Labels, Owner, PodFacts, Request, Requester};
use gingham_engine::ipam::IpamError;
use gingham_engine::runtime::{LogLine, Usage};
use gingham_workbench::report::request_report;
use ipnet::IpNet;

use crate::Network;
use crate::network::possible;

/// A request in the making: set who requests what, then what is expected.
#[must_use = "nothing is asked until an `expect` method, or `outcome`, is called"]
pub struct Add<'a> {
    network: &'a mut Network,
    request: Request,
}

/// A request that was granted.
#[derive(Debug, Clone)]
pub struct Grant {
    /// What the container gets.
    pub answer: Answer,
    /// What it cost.
    pub usage: Usage,
    /// What was logged meanwhile.
    pub log: Vec<LogLine>,
}

impl Grant {
    /// The first address.
    ///
    /// # Panics
    /// Never: the guard lets no answer through that has none.
    pub fn address(&self) -> IpAddr {
        self.answer.addresses[0].address.addr()
    }

    /// All addresses, each with its prefix length, in the order of the answer.
    pub fn addresses(&self) -> Vec<IpNet> {
        self.answer.addresses.iter().map(|assigned| assigned.address).collect()
    }

    /// The sentence why it is this answer.
    pub fn reason(&self) -> Option<&str> {
        self.answer.reason.as_deref()
    }

    /// The gateway of the first address.
    pub fn gateway(&self) -> Option<IpAddr> {
        self.answer.addresses.first().and_then(|assigned| assigned.gateway)
    }
}

impl<'a> Add<'a> {
    pub(crate) fn new(network: &'a mut Network, container: &str) -> Self {
        let request = network.scenario.request(container);
        Self { network, request }
    }

    /// On another interface than `eth0`.
    pub fn interface(mut self, name: &str) -> Self {
        name.clone_into(&mut self.request.key.interface);
        self
    }

    /// From this pod, as Kubernetes' runtimes pass it: among the arguments as well.
    pub fn pod(mut self, namespace: &str, name: &str) -> Self {
        self.request.pod.namespace = Some(namespace.to_owned());
        self.request.pod.name = Some(name.to_owned());
        self.request.requester = Requester::Pod;
        self.args([("K8S_POD_NAMESPACE", namespace), ("K8S_POD_NAME", name)])
    }

    /// With this identity of the pod.
    pub fn pod_uid(mut self, uid: &str) -> Self {
        self.request.pod.uid = Some(uid.to_owned());
        self.args([("K8S_POD_UID", uid)])
    }

    /// By this kind of requester; otherwise a container, or a pod after [`Self::pod`].
    pub fn requester(mut self, requester: Requester) -> Self {
        self.request.requester = requester;
        self
    }

    /// With this service account of the pod.
    pub fn service_account(mut self, name: &str) -> Self {
        self.request.facts.service_account = Fact::Known(name.to_owned());
        self
    }

    /// With this owner of the pod, as `("StatefulSet", "web", "8d1e…")`.
    pub fn owner(mut self, kind: &str, name: &str, uid: &str) -> Self {
        let [kind, name, uid] = [kind, name, uid].map(str::to_owned);
        self.request.facts.owner = Fact::Known(Owner { kind, name, uid });
        self
    }

    /// With a pod of which it is known that nothing owns it.
    pub fn without_owner(mut self) -> Self {
        self.request.facts.owner = Fact::Absent;
        self
    }

    /// With this label of the pod. From then on the pod's labels are known, here and below.
    pub fn pod_label(mut self, key: &str, value: &str) -> Self {
        insert(&mut self.request.facts.labels, key, value);
        self
    }

    /// With this annotation of the pod.
    pub fn pod_annotation(mut self, key: &str, value: &str) -> Self {
        insert(&mut self.request.facts.annotations, key, value);
        self
    }

    /// With this label of the pod's namespace.
    pub fn namespace_label(mut self, key: &str, value: &str) -> Self {
        insert(&mut self.request.facts.namespace_labels, key, value);
        self
    }

    /// With this annotation of the pod's namespace.
    pub fn namespace_annotation(mut self, key: &str, value: &str) -> Self {
        insert(&mut self.request.facts.namespace_annotations, key, value);
        self
    }

    /// With these facts instead of unknown ones.
    pub fn facts(mut self, facts: PodFacts) -> Self {
        self.request.facts = facts;
        self
    }

    /// With these `CNI_ARGS`.
    pub fn args<'s>(mut self, args: impl IntoIterator<Item = (&'s str, &'s str)>) -> Self {
        self.request.cni_args.extend(args.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
        self
    }

    /// With this label of the configuration's `args.cni.labels`.
    pub fn args_label(mut self, key: &str, value: &str) -> Self {
        self.request.args_labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Requests this address; several calls request several.
    ///
    /// # Panics
    /// If the text is not an address.
    #[track_caller]
    pub fn requested(mut self, address: &str) -> Self {
        let Ok(address) = address.parse() else { panic!("requested: invalid address {address:?}") };
        self.request.requested.push(address);
        self
    }

    /// With this hardware address.
    pub fn mac(mut self, mac: [u8; 6]) -> Self {
        self.request.mac = Some(mac);
        self
    }

    /// With this name resolution, read by the host from the file of `resolvConf`.
    pub fn resolv_conf(mut self, dns: Dns) -> Self {
        self.request.resolv_conf = Some(dns);
        self
    }

    /// With this seed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.request.seed = seed;
        self
    }

    /// Expects exactly this address with its prefix length, `"10.1.0.2/24"`; several, separated by blanks, in order.
    ///
    /// # Panics
    /// If another answer comes, or a refusal, or the policy misbehaves.
    #[track_caller]
    pub fn expect(self, addresses: &str) -> Grant {
        let mut wanted = Vec::new();
        for text in addresses.split_whitespace() {
            let Ok(address) = text.parse::<IpNet>() else {
                panic!("expect: invalid address {text:?}: use an address and a prefix length, such as 10.1.0.2/24")
            };
            wanted.push(address);
        }
        let expected = format!("expected {addresses}");
        let (grant, report) = self.run();
        match grant {
            Ok(grant) if grant.addresses() == wanted => grant,
            Ok(_) | Err(_) => report.fail(&expected),
        }
    }

    /// Expects addresses, whichever.
    ///
    /// # Panics
    /// If a refusal comes, or the policy misbehaves.
    #[track_caller]
    pub fn granted(self) -> Grant {
        let (grant, report) = self.run();
        match grant {
            Ok(grant) => grant,
            Err(_) => report.fail("expected an address"),
        }
    }

    /// Expects a refusal whose text contains `part`: by the policy, for its configuration too, or because the
    /// attachment has addresses already. A crash is not a refusal. Returns the whole text.
    ///
    /// # Panics
    /// If an answer comes, or another text, or the policy misbehaves.
    #[track_caller]
    pub fn expect_refused(self, part: &str) -> String {
        let (grant, report) = self.run();
        match grant {
            Err(
                error @ (IpamError::Refused { .. } | IpamError::Problems { .. } | IpamError::AlreadyAttached { .. }),
            ) if error.to_string().contains(part) => error.to_string(),
            Ok(_) | Err(_) => report.fail(&format!("expected a refusal with {part:?}")),
        }
    }

    /// The outcome: an answer, a refusal or a crash.
    ///
    /// # Errors
    /// What the plugin would report.
    ///
    /// # Panics
    /// If the policy is not deterministic.
    #[track_caller]
    pub fn outcome(self) -> Result<Grant, IpamError> {
        self.run().0
    }

    #[track_caller]
    fn run(self) -> (Result<Grant, IpamError>, Report) {
        let Self { network, request } = self;
        let run = possible(network.scenario.add(&request));
        let report = Report { text: request_report(&network.scenario, &request, &run) };
        network.note_log(run.log.clone());
        if let Some(difference) = run.difference {
            report.fail(&format!("expected the same from a second, fresh instance, but {difference}"));
        }
        let grant = run.result.map(|granted| Grant { answer: granted.answer, usage: granted.usage, log: run.log });
        (grant, report)
    }
}

/// What a failed test shows.
struct Report {
    text: String,
}

impl Report {
    /// Ends the test.
    #[track_caller]
    fn fail(&self, expectation: &str) -> ! {
        panic!("{expectation}{}\n", self.text)
    }
}

fn insert(labels: &mut Option<Labels>, key: &str, value: &str) {
    labels.get_or_insert_default().insert(key.to_owned(), value.to_owned());
}
