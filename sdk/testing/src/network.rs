//! A network with leases, in memory.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use gingham_engine::attachment::{AttachmentKey, Problem};
use gingham_engine::ipam::{IpamError, PoolRoom};
use gingham_engine::ledger::AttachmentRecord;
use gingham_engine::pool::Pool;
use gingham_engine::runtime::{LogLine, Policy};
use gingham_workbench::{Run, Scenario, ScenarioError};
use serde_json::Value;

use crate::attachment::Add;

/// A network: a policy, its configuration, and the leases it has given. Time stands still unless
/// [advanced](Self::advance).
pub struct Network {
    pub(crate) scenario: Scenario,
    log: Vec<LogLine>,
}

impl Network {
    /// A network without leases. [`crate::network`] is shorter where the policy is the crate under test.
    ///
    /// # Panics
    /// If a host key of the configuration is wrong.
    #[track_caller]
    pub fn of(policy: &Policy, ipam: Value) -> Self {
        Self { scenario: possible(Scenario::new(policy, ipam)), log: Vec::new() }
    }

    /// The network's name in its configuration: `test` otherwise.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.scenario.set_network_name(name);
        self
    }

    /// With these labels of the node; otherwise they are unknown.
    #[must_use]
    pub fn node_labels<'s>(mut self, labels: impl IntoIterator<Item = (&'s str, &'s str)>) -> Self {
        let labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.scenario.set_node_labels(Some(labels.collect()));
        self
    }

    /// The node reboots: its leases are gone, and their addresses free immediately. The policy's state and the reservations stay.
    ///
    /// # Panics
    /// Never: a store in memory does not fail.
    #[track_caller]
    pub fn reboot(&mut self) {
        possible(self.scenario.reboot());
    }

    /// Leases of the reference IPAM plugin `host-local` are adopted: `(container, address)`, and the address that it gave
    /// last of its range sets. Its adoption hook, if it has one, is called before the next request.
    ///
    /// # Panics
    /// If a text is not an address, or an address is leased.
    #[track_caller]
    pub fn adopt<'s>(
        &mut self,
        leases: impl IntoIterator<Item = (&'s str, &'s str)>,
        last_reserved: impl IntoIterator<Item = (u32, &'s str)>,
    ) {
        let parse = |text: &str| {
            let Ok(address) = text.parse::<IpAddr>() else { panic!("adopt: invalid address {text:?}") };
            address
        };
        let leases = leases.into_iter().map(|(container, address)| (key(container, "eth0"), parse(address)));
        let last_reserved = last_reserved.into_iter().map(|(index, last)| (index, parse(last)));
        possible(self.scenario.adopt(leases, last_reserved));
    }

    /// The reservations: key, address, and when each ends.
    ///
    /// # Panics
    /// Never: a store in memory does not fail.
    #[track_caller]
    pub fn reservations(&self) -> Vec<(String, IpAddr, SystemTime)> {
        let until = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        let all = possible(self.scenario.reservations()).into_iter();
        all.map(|reservation| (reservation.key, reservation.address, until(reservation.until))).collect()
    }

    /// A container requests addresses, on its interface `eth0`. Nothing happens until the request is finished with one of
    /// the `expect` methods, or [`Add::outcome`].
    pub fn add(&mut self, container: &str) -> Add<'_> {
        Add::new(self, container)
    }

    /// The container ends, with its interface `eth0`. Returns the addresses it held: none if it had none.
    #[track_caller]
    pub fn del(&mut self, container: &str) -> Vec<IpAddr> {
        self.del_interface(container, "eth0")
    }

    /// One interface of the container is removed.
    ///
    /// # Panics
    /// If the policy fails to take notice, where it wants to know of ends.
    #[track_caller]
    pub fn del_interface(&mut self, container: &str, interface: &str) -> Vec<IpAddr> {
        let run = self.scenario.del(&key(container, interface));
        match self.take(run) {
            Ok(released) => {
                if let Some(failure) = released.hook_failure {
                    panic!("DEL {container} {interface}: {failure}");
                }
                released.addresses
            }
            Err(error) => panic!("DEL {container} {interface}: {error}"),
        }
    }

    /// Time passes.
    pub fn advance(&mut self, by: Duration) {
        self.scenario.advance(by);
    }

    /// The clock is set: milliseconds since 1970-01-01 UTC.
    pub fn set_now(&mut self, now: u64) {
        self.scenario.set_now(now);
    }

    /// What the clock shows: milliseconds since 1970-01-01 UTC.
    pub fn now(&self) -> u64 {
        self.scenario.now()
    }

    /// The seeds of the requests from now on follow from this number. [`Add::seed`] sets that of one request.
    pub fn set_seed(&mut self, seed: u64) {
        self.scenario.set_seed(seed);
    }

    /// The configuration changes; the leases and the policy's state stay.
    ///
    /// # Panics
    /// If a host key of the configuration is wrong.
    #[track_caller]
    pub fn reconfigure(&mut self, ipam: Value) {
        possible(self.scenario.reconfigure(ipam));
    }

    /// The leases in the order of their addresses, with the container of each.
    #[track_caller]
    pub fn leases(&self) -> Vec<(IpAddr, String)> {
        let attachments = possible(self.scenario.attachments());
        let addresses = |(key, record): (AttachmentKey, AttachmentRecord)| {
            record.addresses.into_iter().map(move |address| (address, key.container_id.clone()))
        };
        let mut leases: Vec<_> = attachments.into_iter().flat_map(addresses).collect();
        leases.sort();
        leases
    }

    /// A value of the policy's state, as text: none if it is not set, or no text.
    #[track_caller]
    pub fn state(&self, key: &str) -> Option<String> {
        String::from_utf8(self.state_bytes(key)?).ok()
    }

    /// A value of the policy's state.
    #[track_caller]
    pub fn state_bytes(&self, key: &str) -> Option<Vec<u8>> {
        possible(self.scenario.state(key))
    }

    /// All keys of the policy's state.
    #[track_caller]
    pub fn state_keys(&self) -> Vec<String> {
        possible(self.scenario.state_keys())
    }

    /// Sets a value of the policy's state, as an earlier version of it might have left it.
    #[track_caller]
    pub fn set_state(&mut self, key: &str, value: impl AsRef<[u8]>) {
        possible(self.scenario.set_state(key, Some(value.as_ref())));
    }

    /// The pools that the policy declares for the configuration.
    ///
    /// # Panics
    /// If it finds the configuration wrong.
    #[track_caller]
    pub fn pools(&mut self) -> Vec<Pool> {
        match self.check_config() {
            Ok(pools) => pools,
            Err(error) => panic!("the pools of {}: {error}", self.scenario.ipam()),
        }
    }

    /// What the policy finds wrong in the configuration, each as `key: message`; nothing if it is right.
    ///
    /// # Panics
    /// If the policy crashes over it, or declares pools that cannot be.
    #[track_caller]
    pub fn problems(&mut self) -> Vec<String> {
        match self.check_config() {
            Ok(_) => Vec::new(),
            Err(IpamError::Problems { problems, .. }) => problems.iter().map(shown).collect(),
            Err(error) => panic!("the problems of {}: {error}", self.scenario.ipam()),
        }
    }

    /// How full the pools are; those of a cluster policy as far as this node holds blocks of them.
    ///
    /// # Panics
    /// If the policy finds the configuration wrong.
    #[track_caller]
    pub fn room(&self) -> Vec<PoolRoom> {
        match self.scenario.room() {
            Ok(room) => room,
            Err(error) => panic!("the room of {}: {error}", self.scenario.ipam()),
        }
    }

    /// Everything the policy and the engine have logged so far.
    pub fn log(&self) -> &[LogLine] {
        &self.log
    }

    pub(crate) fn note_log(&mut self, mut log: Vec<LogLine>) {
        self.log.append(&mut log);
    }

    #[track_caller]
    fn check_config(&mut self) -> Result<Vec<Pool>, IpamError> {
        let run = self.scenario.check_config();
        self.take(run)
    }

    /// Notes what a step logged, and insists on determinism.
    #[track_caller]
    pub(crate) fn take<T>(&mut self, run: Run<T>) -> Result<T, IpamError> {
        self.note_log(run.log);
        if let Some(difference) = run.difference {
            panic!("expected the same from a second, fresh instance, but {difference}");
        }
        run.result
    }
}

fn key(container: &str, interface: &str) -> AttachmentKey {
    AttachmentKey { container_id: container.to_owned(), interface: interface.to_owned() }
}

fn shown(problem: &Problem) -> String {
    match problem.key.as_str() {
        "" => problem.message.clone(),
        key => format!("{key}: {}", problem.message),
    }
}

/// A step fails where a test wants what no node could be in.
#[track_caller]
pub(crate) fn possible<T>(result: Result<T, ScenarioError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
