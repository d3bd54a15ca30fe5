//! A fixed list of members without a store: each stays inside its own share. The list is kept as it was first used.

use std::sync::Arc;

use gingham_engine::address::IpRange;
use gingham_engine::ledger::{Ledger, LedgerQueries};
use gingham_engine::ranges::RangeSet;
use gingham_engine::runtime::LogLine;
use gingham_engine::settings::membership::StoreSettings;
use gingham_ownership::grid::BlockMap;
use sha2::{Digest as _, Sha256};

use crate::claimed::{Blocks, Claimed};
use crate::error::{Fault, settings};
use crate::state::{FixedState, Kept};
use crate::{Cluster, Policy};

impl Cluster<'_> {
    pub(crate) fn claimed_of_list<L: LedgerQueries>(&self, ledger: &L, members: &[String]) -> Result<Claimed, Fault> {
        self.require_listed(members)?;
        match self.kept(ledger)? {
            Kept::Fixed(fixed)
                if fixed.node == self.node
                    && fixed.fixed_members == members
                    && fixed.config == self.config_digest() =>
            {
                let share = fixed.share.iter().map(|range| range.parse::<IpRange>()).collect::<Result<_, _>>();
                let share = RangeSet::new(share.map_err(|error| Fault::Unreadable { reason: error.to_string() })?);
                let block_map = Arc::new(BlockMap::new(self.node.as_str(), members.iter().cloned(), Vec::new()));
                Ok(Claimed::Blocks(Blocks { cooled: share.clone(), all: share, block_map, is_confirmed: true }))
            }
            Kept::Shared(_) => Err(settings(
                "cluster.store",
                "this network is divided by a cluster store, and its blocks are not the shares of a list; restore the key, or \
                 use a network of another name",
            )),
            Kept::Nothing | Kept::Fixed(_) => Ok(Claimed::Unsettled),
        }
    }

    /// Checks a list that is new or was changed, and keeps it if no address can be handed out twice. The ledger
    /// is still to be committed.
    ///
    /// # Errors
    /// [`Fault::Settings`] if the list would move a share that is in use.
    pub fn settle_list<L: Ledger>(
        &self,
        policy: &Policy<'_>,
        ledger: &mut L,
        log: &mut Vec<LogLine>,
    ) -> Result<(), Fault> {
        let StoreSettings::Local { members } = &self.keys.store else { return Ok(()) };
        self.require_listed(members)?;
        let share = policy.share(members, &self.node, log)?;
        match self.kept(ledger)? {
            Kept::Fixed(known) if is_used(policy, ledger)? => self.require_same_shares(&known, policy, members, log)?,
            // A store that was rebuilt has the earlier leases, but not the list that they were made with.
            Kept::Nothing => require_within(&share, policy, ledger)?,
            Kept::Shared(_) | Kept::Fixed(_) => {}
        }
        let share = share.iter().map(ToString::to_string).collect();
        let fixed =
            FixedState { node: self.node.clone(), fixed_members: members.clone(), config: self.config_digest(), share };
        Self::keep_fixed(ledger, &fixed)
    }

    fn require_same_shares(
        &self,
        known: &FixedState,
        policy: &Policy<'_>,
        members: &[String],
        log: &mut Vec<LogLine>,
    ) -> Result<(), Fault> {
        let moved = |what: &str| {
            let text = format!(
                "cannot use this list: {what} while addresses are in use, so another node would hand them out again; list later \
                 nodes from the start, or use cluster.store \"etcd\""
            );
            settings("cluster.members", text)
        };
        if known.config != self.config_digest() || known.node != self.node {
            return Err(moved("the policy's configuration or this node's name has changed"));
        }
        for member in &known.fixed_members {
            let before = policy.share(&known.fixed_members, member, log)?;
            let is_same = members.contains(member) && policy.share(members, member, log)? == before;
            if !is_same {
                return Err(moved(&format!("it moves the share of {member:?}")));
            }
        }
        Ok(())
    }

    fn require_listed(&self, members: &[String]) -> Result<(), Fault> {
        if members.contains(&self.node) {
            return Ok(());
        }
        let text = format!("{:?} (cluster.node, or the host name) is not among them", self.node);
        Err(settings("cluster.members", text))
    }

    fn config_digest(&self) -> String {
        use std::fmt::Write as _;
        let digest = Sha256::digest(self.settings.policy_config.as_bytes());
        digest.iter().take(16).fold(String::new(), |mut text, byte| {
            // Writing to a text cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

fn is_used<L: LedgerQueries>(policy: &Policy<'_>, ledger: &L) -> Result<bool, Fault> {
    if ledger.attachment_count()? > 0 {
        return Ok(true);
    }
    for part in policy.pools().iter().flat_map(|pool| &pool.ranges) {
        if ledger.cooling_count(part.range)? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// No other member hands out an address of this node's share. What is used here must lie in it.
fn require_within<L: LedgerQueries>(share: &[IpRange], policy: &Policy<'_>, ledger: &L) -> Result<(), Fault> {
    let share = RangeSet::new(share.to_vec());
    for range in policy.pools().iter().flat_map(|pool| &pool.ranges).flat_map(|part| share.without(part.range)) {
        let used = ledger.next_used_run(range.first())?.filter(|run| run.first() <= range.last());
        if let Some(used) = used {
            let address = used.first().max(range.first());
            return Err(settings(
                "cluster.members",
                format!(
                    "cannot use this list: address {address} is used on this node, and the list gives it to another \
                     member; end its container and wait for the cooldown, or use a network of another name"
                ),
            ));
        }
    }
    Ok(())
}
