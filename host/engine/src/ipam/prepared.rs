//! A policy that has found its configuration good: the pools, and how full they are.

use std::sync::Arc;

use super::error::{IpamError, call_error};
use super::shadow::Shadow;
use crate::attachment::{Context, Problem};
use crate::ledger::LedgerQueries;
use crate::network_view::NetworkView;
use crate::pool::Pools;
use crate::ranges::RangeSet;
use crate::runtime::view::{LeaseView, ViewError};
use crate::runtime::{LogLine, Policy, Session};
use crate::settings::Settings;
use crate::unknown_keys::{self, UnknownKey};
use gingham_ownership::grid::BlockMap;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolRoom {
    pub name: String,
    /// Free addresses; `u64::MAX` stands for that many or more.
    pub free: u64,
    pub cooling: u64,
    pub leased: u64,
    /// Addresses that are reserved, and neither leased nor cooling.
    pub reserved: u64,
    /// Addresses of ranges that give out nothing new, without those that are leased.
    pub draining: u64,
}

/// A policy whose configuration was found good, before any lock is taken.
pub struct Prepared<'a> {
    pub(super) policy: &'a Policy,
    pub(super) settings: &'a Settings,
    pub(super) context: Context,
    pub(super) session: Session,
    pub(super) pools: Pools,
    /// The cluster, once the addresses are restricted to the blocks of this member.
    pub(super) picture: Option<Arc<BlockMap>>,
    /// Whether a cooling address is taken when nothing else is free.
    pub(super) reuses_early: bool,
    /// A second policy whose answer is compared and not used.
    pub(super) shadow: Option<Shadow<'a>>,
    unknown_keys: Vec<UnknownKey>,
}

/// Lets the policy check its configuration and declare its pools.
///
/// # Errors
/// [`IpamError::Problems`], [`IpamError::Pools`], [`IpamError::Fault`]. What the policy logged is in `log` all the same.
pub fn prepare<'a>(
    policy: &'a Policy,
    settings: &'a Settings,
    context: &Context,
    log: &mut Vec<LogLine>,
) -> Result<Prepared<'a>, IpamError> {
    let name = || policy.name().to_owned();
    let mut session = Session::new(policy, settings.limits, context).map_err(|error| call_error(policy, error))?;
    let checked = session.check_config(&settings.policy_config);
    let mut lines = session.take_log();
    let unknown_keys = unknown_keys::take(&mut lines);
    log.append(&mut lines);
    let pools = checked
        .map_err(|error| call_error(policy, error))?
        .map_err(|problems| IpamError::Problems { policy: name(), problems: with_unknown(problems, &unknown_keys) })?;
    let pools = Pools::new(pools).map_err(|source| IpamError::Pools { policy: name(), source })?;
    let context = context.clone();
    Ok(Prepared {
        policy,
        settings,
        context,
        session,
        pools,
        picture: None,
        reuses_early: true,
        shadow: None,
        unknown_keys,
    })
}

/// A key that is missing may be there under another name.
fn with_unknown(mut problems: Vec<Problem>, unknown_keys: &[UnknownKey]) -> Vec<Problem> {
    problems.extend(unknown_keys.iter().map(|unknown| Problem { key: unknown.key.clone(), message: unknown.advice() }));
    problems
}

impl<'a> Prepared<'a> {
    /// A shadow answers the same requests.
    #[must_use]
    pub fn with_shadow(self, shadow: Option<Shadow<'a>>) -> Self {
        Self { shadow, ..self }
    }

    /// Keys of the configuration that the policy does not know.
    pub fn unknown_keys(&self) -> &[UnknownKey] {
        &self.unknown_keys
    }

    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// From now on addresses come only from these blocks: those that this member of a cluster holds and may use. None is
    /// possible, and then nothing is free. The policy sees the cluster as in the picture; what it holds may be as
    /// little as the blocks of this member, for a policy looks at the others' only to explain itself.
    #[must_use]
    pub fn restrict(mut self, blocks: &RangeSet, picture: Arc<BlockMap>) -> Self {
        self.pools = self.pools.within(blocks);
        self.shadow = self.shadow.map(|shadow| shadow.restrict(blocks, Arc::clone(&picture)));
        self.picture = Some(picture);
        self.show_cluster();
        self
    }

    /// No cooling address is taken, and `exhausted` is the answer: for callers that can get more addresses elsewhere.
    #[must_use]
    pub fn without_early_reuse(mut self) -> Self {
        self.reuses_early = false;
        self
    }

    pub(super) fn show_cluster(&mut self) {
        if let Some(picture) = &self.picture {
            self.session.show_cluster(Arc::clone(picture));
        }
    }

    /// How full the pools are at a time, in milliseconds since the epoch. An address whose cooldown is over is free, although
    /// only the next ADD ends it.
    ///
    /// # Errors
    /// [`IpamError::Store`]
    pub fn room<L: LedgerQueries>(&self, ledger: L, now: u64) -> Result<Vec<PoolRoom>, IpamError> {
        let over = ledger.freed_until(self.settings.cooldown_began(now))?;
        let mut view = NetworkView::new(ledger, self.pools.clone(), self.settings.exclude.clone())?;
        over.iter().for_each(|address| view.count_as_free(*address));
        let mut rooms = Vec::new();
        for pool in self.pools.iter() {
            let mut room = PoolRoom { name: pool.name.clone(), ..PoolRoom::default() };
            for part in &pool.ranges {
                view.start_over()?;
                let free = counted(view.free_count(part.range))?;
                let leased = counted(view.used_count(part.range))?;
                room.free = room.free.saturating_add(free);
                room.leased = room.leased.saturating_add(leased);
                if part.draining {
                    let rest = u64::try_from(part.range.len()).unwrap_or(u64::MAX).saturating_sub(leased);
                    room.draining = room.draining.saturating_add(rest);
                    continue;
                }
                let over = over.iter().filter(|address| part.range.contains(**address)).count() as u64;
                let cooling = view.ledger().cooling_count(part.range)?.saturating_sub(over);
                room.cooling = room.cooling.saturating_add(cooling);
                room.reserved = room.reserved.saturating_add(counted(view.reserved_count(part.range))?);
            }
            rooms.push(room);
        }
        Ok(rooms)
    }
}

/// A count that would take too many steps is answered by "plenty": a network that fragmented is not full.
fn counted(count: Result<u64, ViewError>) -> Result<u64, IpamError> {
    match count {
        Ok(count) => Ok(count),
        Err(ViewError::Store(store)) => Err(store.into()),
        Err(ViewError::HostCalls { .. } | ViewError::Steps { .. } | ViewError::FactAwaited { .. }) => Ok(u64::MAX),
    }
}
