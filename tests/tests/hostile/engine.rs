//! A network without a kernel: the durable store in a directory of its own, and the way of a request through the engine.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use gingham_engine::address::Family;
use gingham_engine::attachment::{Adopted, AttachmentKey, Context, Pod, Request, Requester};
use gingham_engine::ipam::{self, IpamError, IpamResult};
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::ranges::RangeSet;
use gingham_engine::runtime::{LogLine, Policy};
use gingham_engine::settings::Settings;
use gingham_engine::store::{ReadLedger, Store, StoreLedger};
use gingham_ownership::grid::BlockMap;
use gingham_tests::guests::Guest;
use serde_json::{Map, Value};
use tempfile::TempDir;

const NETWORK: &str = "sins";
const BOOT: &str = "00000000-0000-4000-8000-000000000000";
const NOW: u64 = 1_700_000_000_000;

/// The network.
pub(crate) struct Network {
    directory: TempDir,
    ipam: Map<String, Value>,
}

/// What came of a request.
pub(crate) struct Outcome {
    pub(crate) answer: Result<IpamResult, IpamError>,
    pub(crate) log: Vec<LogLine>,
}

impl Network {
    /// An empty one; `ipam` holds the keys beside the policy's name.
    pub(crate) fn new(ipam: &Value) -> Self {
        Self { directory: TempDir::new().unwrap(), ipam: ipam.as_object().unwrap().clone() }
    }

    pub(crate) fn add(&self, guest: &Guest, container: &str, requested: &[IpAddr]) -> Outcome {
        let settings = Settings::parse(&self.ipam).unwrap();
        let mut log = Vec::new();
        let answer = self.allocate(&guest.policy(), &settings, &request(container, requested), None, &mut log);
        Outcome { answer, log }
    }

    /// As [`Self::add`] on a member of a cluster that holds these blocks.
    pub(crate) fn add_within(
        &self,
        guest: &Guest,
        container: &str,
        blocks: &RangeSet,
        picture: &Arc<BlockMap>,
    ) -> Outcome {
        let settings = Settings::parse(&self.ipam).unwrap();
        let mut log = Vec::new();
        let held = Some((blocks, picture));
        let answer = self.allocate(&guest.policy(), &settings, &request(container, &[]), held, &mut log);
        Outcome { answer, log }
    }

    fn allocate(
        &self,
        policy: &Policy,
        settings: &Settings,
        request: &Request,
        held: Option<(&RangeSet, &Arc<BlockMap>)>,
        log: &mut Vec<LogLine>,
    ) -> Result<IpamResult, IpamError> {
        let mut prepared = ipam::prepare(policy, settings, &context(), log)?;
        if let Some((blocks, picture)) = held {
            prepared = prepared.restrict(blocks, Arc::clone(picture));
        }
        let record = AttachmentRecord {
            addresses: Vec::new(),
            since: NOW,
            boot: BOOT.to_owned(),
            netns: String::new(),
            pod: Pod::default(),
            ..AttachmentRecord::default()
        };
        prepared.allocate(self.ledger()?, request, &record, log)
    }

    /// Ends an attachment; the policy, if any, is told. Says what was logged.
    pub(crate) fn delete(&self, guest: Option<&Guest>, container: &str) -> Vec<LogLine> {
        let settings = Settings::parse(&self.ipam).unwrap();
        let policy = guest.map(Guest::policy);
        let mut log = Vec::new();
        let context = context();
        let told = policy.as_ref().map(|policy| (policy, &settings, &context));
        let ended = ipam::release(self.ledger().unwrap(), &key(container), NOW, told, &mut log).unwrap();
        assert!(ended.is_some(), "container {container} was not there");
        log
    }

    /// Adopts a lease, and tells the policy. Says what was logged.
    pub(crate) fn adopt(&self, guest: &Guest, container: &str, address: &str) -> Vec<LogLine> {
        let settings = Settings::parse(&self.ipam).unwrap();
        let addresses: Vec<IpAddr> = vec![address.parse().unwrap()];
        let mut ledger = self.ledger().unwrap();
        let record =
            AttachmentRecord { addresses: addresses.clone(), boot: BOOT.to_owned(), ..AttachmentRecord::default() };
        ledger.attach(&key(container), &record).unwrap();
        let adopted = Adopted { addresses, last_reserved: vec![(0, address.parse().unwrap())], now: NOW };
        let (policy, mut log) = (guest.policy(), Vec::new());
        let told = ipam::call_adoption_hook(ledger, (&policy, &settings, &context()), &adopted, &mut log).unwrap();
        told.commit().unwrap();
        log
    }

    /// Everything the network's ledger holds, as text.
    pub(crate) fn state(&self) -> String {
        let Some(reader) = Store::open_read_only(self.path()).unwrap() else { return String::new() };
        describe(&reader.ledger(NETWORK).unwrap())
    }

    fn ledger(&self) -> Result<StoreLedger, IpamError> {
        Ok(Store::open(self.path(), BOOT, NOW)?.into_ledger(NETWORK)?)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

fn describe(ledger: &ReadLedger) -> String {
    let mut text = String::new();
    for (key, record) in ledger.attachments().unwrap() {
        writeln!(text, "{} {} {:?}", key.container_id, key.interface, record.addresses).unwrap();
    }
    let resting = ledger.cooling_count("0.0.0.0-255.255.255.255".parse().unwrap()).unwrap();
    for family in Family::ALL {
        for reserved in ledger.reservations_within(family.whole()).unwrap() {
            writeln!(text, "reserved {} for {:?}", reserved.address, reserved.key).unwrap();
        }
    }
    text += &"one rests\n".repeat(usize::try_from(resting).unwrap());
    for key in ledger.state_keys("", None, 10_000).unwrap() {
        writeln!(text, "note {key:?}: {} bytes", ledger.state_value(&key).unwrap().unwrap().len()).unwrap();
    }
    text
}

/// The network and the node.
pub(crate) fn context() -> Context {
    Context { network: NETWORK.to_owned(), node: "node-1".to_owned(), node_labels: None }
}

fn key(container: &str) -> AttachmentKey {
    AttachmentKey { container_id: container.to_owned(), interface: "eth0".to_owned() }
}

fn request(container: &str, requested: &[IpAddr]) -> Request {
    Request {
        cni_args: vec![("IgnoreUnknown".to_owned(), "1".to_owned()), ("FILL".to_owned(), "x".repeat(100_000))],
        requested: requested.to_vec(),
        ..Request::new(Requester::Container, key(container), NOW, 7)
    }
}
