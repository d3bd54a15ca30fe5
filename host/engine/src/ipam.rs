//! The heart: what happens to a request between the policy and the ledger. Everything that hands out or takes back an
//! address comes through here, on a node and in a policy's tests alike.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::attachment::{Answer, AttachmentKey, Ended, Problem, Refusal, Request};
use crate::cluster_policy::ClusterFault;
use crate::guard::{self, GuardError};
use crate::ledger::{AttachmentRecord, Ledger, LedgerQueries, recorded};
use crate::network_view::NetworkView;
use crate::ownership::grid::Picture;
use crate::pool::{PoolError, Pools};
use crate::ranges::RangeSet;
use crate::runtime::view::{LeaseView, ViewError};
use crate::runtime::{CallError, LogLevel, LogLine, Policy, PolicyFault, Session, Usage};
use crate::settings::Settings;
use crate::store::StoreError;

/// Addresses whose rest may end within one request; more wait for the next one.
const RESTS_ENDED: usize = 256;

/// Problems of a configuration in one message.
const PROBLEMS_SHOWN: usize = 10;

/// Why no address was given.
#[derive(Debug, thiserror::Error)]
pub enum IpamError {
    /// The attachment has addresses already; they are untouched.
    #[error(
        "{} has been allocated to {}, duplicate allocation is not allowed; DEL interface {} of that container first",
        list(.addresses), .key.container_id, .key.interface
    )]
    AlreadyAttached {
        /// Whose.
        key: AttachmentKey,
        /// Which.
        addresses: Vec<IpAddr>,
    },
    /// The policy said no.
    #[error("policy {policy}: {}", refusal_text(.refusal))]
    Refused {
        /// The policy's name.
        policy: String,
        /// Its word.
        refusal: Refusal,
    },
    /// The policy finds the configuration wrong.
    #[error("policy {policy}: {}", problems_text(.problems))]
    Problems {
        /// The policy's name.
        policy: String,
        /// Everything it found.
        problems: Vec<Problem>,
    },
    /// The policy misbehaved.
    #[error("policy {policy}: {fault}")]
    Fault {
        /// The policy's name.
        policy: String,
        /// What it did.
        fault: PolicyFault,
    },
    /// The policy declared pools that cannot be.
    #[error("policy {policy}: {source}")]
    Pools {
        /// The policy's name.
        policy: String,
        /// What is wrong with them.
        source: PoolError,
    },
    /// The policy answered something the host does not do.
    #[error("policy {policy}: {source}")]
    Guard {
        /// The policy's name.
        policy: String,
        /// What it answered.
        source: GuardError,
    },
    /// A cluster policy declared grids, shares or blocks that cannot be.
    #[error("policy {policy}: {source}")]
    Cluster {
        /// The policy's name.
        policy: String,
        /// What is wrong with them.
        source: ClusterFault,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn refusal_text(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Exhausted(text)
        | Refusal::Unavailable(text)
        | Refusal::TryAgain(text)
        | Refusal::Denied(text)
        | Refusal::Other(text) => text.clone(),
        Refusal::InvalidConfig(problem) => problems_text(std::slice::from_ref(problem)),
    }
}

fn problems_text(problems: &[Problem]) -> String {
    let one = |problem: &Problem| match problem.key.as_str() {
        "" => problem.message.clone(),
        key => format!("ipam.{key}: {}", problem.message),
    };
    let mut texts: Vec<String> = problems.iter().take(PROBLEMS_SHOWN).map(one).collect();
    if problems.len() > PROBLEMS_SHOWN {
        texts.push(format!("and {} more", problems.len() - PROBLEMS_SHOWN));
    }
    texts.join("; ")
}

/// A request granted and durable.
#[derive(Debug, Clone)]
pub struct Granted {
    /// What the container gets.
    pub answer: Answer,
    /// The networks its addresses lie in, in the order of the addresses: what masquerading must leave alone.
    pub prefixes: Vec<IpNet>,
    /// The networks of all pools of the policy, each once.
    pub networks: Vec<IpNet>,
    /// What the policy cost.
    pub usage: Usage,
}

/// How full a pool is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRoom {
    /// The pool's name.
    pub name: String,
    /// Free addresses; `u64::MAX` stands for that many or more.
    pub free: u64,
    /// Addresses that rest: taken when nothing else is free.
    pub resting: u64,
    /// Leased addresses.
    pub leased: u64,
}

/// A policy whose configuration was found good, before any lock is taken.
pub struct Prepared<'a, L: 'static> {
    policy: &'a Policy,
    settings: &'a Settings,
    session: Session<NetworkView<L>>,
    pools: Pools,
    /// The cluster, once the addresses are restricted to the blocks of this member.
    picture: Option<Arc<Picture>>,
    /// Whether a resting address is taken when nothing else is free.
    reuses_early: bool,
}

/// Lets the policy check its configuration and say where its addresses lie.
///
/// # Errors
/// [`IpamError::Problems`], [`IpamError::Pools`], [`IpamError::Fault`]. What the policy logged is in `log` all the same.
pub fn prepare<'a, L: LedgerQueries + 'static>(
    policy: &'a Policy,
    settings: &'a Settings,
    log: &mut Vec<LogLine>,
) -> Result<Prepared<'a, L>, IpamError> {
    let name = || policy.name().to_owned();
    let mut session = Session::new(policy, settings.limits).map_err(|error| call_error(policy, error))?;
    let checked = session.check_config(&settings.policy_config);
    log.append(&mut session.take_log());
    let pools = checked
        .map_err(|error| call_error(policy, error))?
        .map_err(|problems| IpamError::Problems { policy: name(), problems })?;
    let pools = Pools::new(pools).map_err(|source| IpamError::Pools { policy: name(), source })?;
    Ok(Prepared { policy, settings, session, pools, picture: None, reuses_early: true })
}

pub(crate) fn call_error(policy: &Policy, error: CallError) -> IpamError {
    match error {
        CallError::Policy(fault) => IpamError::Fault { policy: policy.name().to_owned(), fault },
        CallError::Store(store) => store.into(),
    }
}

impl<L: LedgerQueries + 'static> Prepared<'_, L> {
    /// The pools of this configuration.
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// From now on addresses come only from these blocks: those that this member of a cluster holds and may use. None is
    /// possible, and then nothing is free. The policy sees the cluster as in the picture; what it holds may be as
    /// little as the blocks of this member, for a policy looks at the others' only to explain itself.
    #[must_use]
    pub fn restrict(mut self, blocks: &RangeSet, picture: Arc<Picture>) -> Self {
        self.pools = self.pools.within(blocks);
        self.picture = Some(picture);
        self.show_cluster();
        self
    }

    /// Resting addresses stay at rest, and `exhausted` is the answer: for who can get more addresses elsewhere.
    #[must_use]
    pub fn letting_rest(mut self) -> Self {
        self.reuses_early = false;
        self
    }

    fn show_cluster(&mut self) {
        if let Some(picture) = &self.picture {
            self.session.show_cluster(Arc::clone(picture));
        }
    }

    /// How full the pools are.
    ///
    /// # Errors
    /// [`IpamError::Store`]
    pub fn room(&self, ledger: L) -> Result<Vec<PoolRoom>, IpamError> {
        let mut view = NetworkView::new(ledger, self.pools.clone(), self.settings.exclude.clone())?;
        let mut rooms = Vec::new();
        for pool in self.pools.iter() {
            let mut room = PoolRoom { name: pool.name.clone(), free: 0, resting: 0, leased: 0 };
            for part in &pool.ranges {
                view.start_over()?;
                let free = counted(view.free_count(part.range))?;
                let leased = counted(view.used_count(part.range))?;
                room.free = room.free.saturating_add(free);
                room.leased = room.leased.saturating_add(leased);
                room.resting = room.resting.saturating_add(view.ledger().resting_count(part.range)?);
            }
            rooms.push(room);
        }
        Ok(rooms)
    }
}

impl<L: Ledger + 'static> Prepared<'_, L> {
    /// Lets the policy choose, checks its choice and commits it. After an error the ledger is as it was.
    ///
    /// # Errors
    /// [`IpamError`]
    pub fn allocate(
        self,
        ledger: L,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<Granted, IpamError> {
        let (granted, ledger) = self.grant(ledger, request, record, log)?;
        ledger.commit()?;
        Ok(granted)
    }

    /// The same without committing it: for who records more in the same transaction.
    ///
    /// # Errors
    /// [`IpamError`]
    pub fn grant(
        mut self,
        mut ledger: L,
        request: &Request,
        record: &AttachmentRecord,
        log: &mut Vec<LogLine>,
    ) -> Result<(Granted, L), IpamError> {
        if let Some((_, known)) = recorded(&ledger, &request.key)? {
            return Err(IpamError::AlreadyAttached { key: request.key.clone(), addresses: known.addresses });
        }
        let rested = request.now.saturating_sub(millis(self.settings));
        ledger.end_rest(rested, RESTS_ENDED)?;
        let mut view = NetworkView::new(ledger, self.pools.clone(), self.settings.exclude.clone())?;
        request.requested.iter().for_each(|address| view.wake(*address));
        let (said, mut view) = self.ask(view, request, log)?;
        let (said, mut view) = match said {
            Err(Refusal::Exhausted(_)) if self.reuses_early && self.wake_longest_resting(&mut view)? => {
                self.ask_again(view, request, log)?
            }
            said => (said, view),
        };
        let name = || self.policy.name().to_owned();
        let answer = said.map_err(|refusal| IpamError::Refused { policy: name(), refusal })?;
        guard::check(&answer, request, &mut view).map_err(|error| match error {
            GuardError::Store(store) => IpamError::Store(store),
            source => IpamError::Guard { policy: name(), source },
        })?;
        self.tell_of_short_rests(&answer, request, &view, log)?;
        let prefixes = prefixes(&answer, view.pools());
        let mut ledger = view.into_ledger()?;
        let addresses = answer.addresses.iter().map(|assigned| assigned.address.addr()).collect();
        ledger.attach(&request.key, &AttachmentRecord { addresses, ..record.clone() })?;
        Ok((Granted { answer, prefixes, networks: self.pools.networks(), usage: self.session.usage() }, ledger))
    }

    fn ask(
        &mut self,
        view: NetworkView<L>,
        request: &Request,
        log: &mut Vec<LogLine>,
    ) -> Result<(Result<Answer, Refusal>, NetworkView<L>), IpamError> {
        self.session.show(view);
        let said = self.session.allocate(&self.settings.policy_config, request);
        log.append(&mut self.session.take_log());
        let said = said.map_err(|error| call_error(self.policy, error))?;
        let gone = || PolicyFault::Misfit { reason: "the view of the leases was lost".to_owned() };
        let view = self.session.hide().ok_or_else(gone).map_err(|fault| call_error(self.policy, fault.into()))?;
        Ok((said, view))
    }

    /// The second try, in a fresh instance, as if the first had not been.
    fn ask_again(
        &mut self,
        mut view: NetworkView<L>,
        request: &Request,
        log: &mut Vec<LogLine>,
    ) -> Result<(Result<Answer, Refusal>, NetworkView<L>), IpamError> {
        view.start_over()?;
        self.session =
            Session::new(self.policy, self.settings.limits).map_err(|error| call_error(self.policy, error))?;
        self.show_cluster();
        self.ask(view, request, log)
    }

    /// Lets the longest-resting address of each pool count as free. Says whether there was one.
    fn wake_longest_resting(&self, view: &mut NetworkView<L>) -> Result<bool, StoreError> {
        let mut any = false;
        for pool in self.pools.iter() {
            let permitted = view.permitted(pool.ranges.iter().map(|part| part.range));
            if let Some((address, _)) = view.ledger().longest_resting(&permitted)? {
                view.wake(address);
                any = true;
            }
        }
        Ok(any)
    }

    fn tell_of_short_rests(
        &self,
        answer: &Answer,
        request: &Request,
        view: &NetworkView<L>,
        log: &mut Vec<LogLine>,
    ) -> Result<(), StoreError> {
        for address in answer.addresses.iter().map(|assigned| assigned.address.addr()) {
            let Some(freed) = view.ledger().resting_since(address)? else { continue };
            let rested = request.now.saturating_sub(freed);
            if rested >= millis(self.settings) {
                continue;
            }
            let reason = if request.requested.contains(&address) {
                "it was asked for by name"
            } else {
                "no other address of its pool was free"
            };
            let message = format!(
                "network {}: {address} is in use again after {:.1} s of rest instead of {:.1} s, because {reason}",
                request.network,
                seconds(rested),
                seconds(millis(self.settings)),
            );
            log.push(LogLine { level: LogLevel::Warn, message });
        }
        Ok(())
    }
}

/// A count that would take too many steps is answered by "plenty": a network that fragmented is not full.
fn counted(count: Result<u64, ViewError>) -> Result<u64, IpamError> {
    match count {
        Ok(count) => Ok(count),
        Err(ViewError::Budget) => Ok(u64::MAX),
        Err(ViewError::Store(store)) => Err(store.into()),
    }
}

fn millis(settings: &Settings) -> u64 {
    u64::try_from(settings.cooldown.as_millis()).unwrap_or(u64::MAX)
}

#[allow(clippy::cast_precision_loss)] // For people, with one digit.
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

fn prefixes(answer: &Answer, pools: &Pools) -> Vec<IpNet> {
    let prefix = |address| pools.locate(address).map(|(_, part)| part.prefix);
    answer.addresses.iter().filter_map(|assigned| prefix(assigned.address.addr())).collect()
}

/// Ends an attachment: its leases are freed, whatever the policy thinks. Unknown attachments are no error.
///
/// A policy that wants to know is told within the same transaction; its failure is logged and changes nothing.
///
/// # Errors
/// If the store fails; then nothing has changed.
pub fn release<L: Ledger + 'static>(
    mut ledger: L,
    key: &AttachmentKey,
    now: u64,
    policy: Option<(&Policy, &Settings)>,
    log: &mut Vec<LogLine>,
) -> Result<Option<AttachmentRecord>, StoreError> {
    let Some((known_as, _)) = recorded(&ledger, key)? else { return Ok(None) };
    let Some(record) = ledger.detach(&known_as, now)? else { return Ok(None) };
    let told = policy.filter(|(policy, _)| policy.has_release());
    let ledger = match told {
        None => ledger,
        Some((policy, settings)) => {
            let ended = Ended { key: key.clone(), addresses: record.addresses.clone(), pod: record.pod.clone(), now };
            tell(ledger, policy, settings, &ended, log)?
        }
    };
    ledger.commit()?;
    Ok(Some(record))
}

fn tell<L: Ledger + 'static>(
    ledger: L,
    policy: &Policy,
    settings: &Settings,
    ended: &Ended,
    log: &mut Vec<LogLine>,
) -> Result<L, StoreError> {
    let mut prepared = match prepare::<L>(policy, settings, log) {
        Ok(prepared) => prepared,
        Err(IpamError::Store(store)) => return Err(store),
        Err(error) => {
            log.push(not_told(&error.to_string()));
            return Ok(ledger);
        }
    };
    prepared.session.show(NetworkView::new(ledger, prepared.pools.clone(), settings.exclude.clone())?);
    let result = prepared.session.release(&settings.policy_config, ended);
    log.append(&mut prepared.session.take_log());
    let view = prepared.session.hide().ok_or(StoreError::Lost)?;
    match result {
        Ok(()) => view.into_ledger(),
        Err(CallError::Store(store)) => Err(store),
        Err(CallError::Policy(fault)) => {
            log.push(not_told(&format!("policy {}: {fault}", policy.name())));
            Ok(view.into_ledger_without_notes())
        }
    }
}

fn not_told(reason: &str) -> LogLine {
    LogLine { level: LogLevel::Warn, message: format!("the address is free, but the policy was not told: {reason}") }
}
