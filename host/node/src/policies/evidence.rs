//! How requests ended on this node, for a comparison of two digests.

use std::collections::BTreeMap;

use gingham_engine::ipam::ShadowCounters;
use gingham_engine::policy_counters::PolicyCounters;
use gingham_engine::store::{Store, StoreReader};
use gingham_network::error::NetworkError;
use gingham_network::network::Source;
use gingham_network::records::RecordsError;

use super::object::{AllocationPolicy, Mode};
use crate::facts::{Places, configured};
use crate::networks::Network;

/// The old digest's requests and the new one's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    pub(super) before: PolicyCounters,
    pub(super) new: PolicyCounters,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum EvidenceError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// Of all networks of this node. `before` is the digest that the policy's own replaced. A network that cannot be read has none.
pub(super) fn gather(policy: &AllocationPolicy, before: Option<&str>, places: &Places) -> Evidence {
    let found = places.networks();
    let networks = found.all();
    let each = networks.filter_map(|network| {
        of_network(policy, before, network, places)
            .inspect_err(|error| tracing::debug!(network = network.name, "no counters of its policy: {error}"))
            .ok()
            .flatten()
    });
    each.fold(Evidence::default(), |all, one| Evidence {
        before: all.before.with(one.before),
        new: all.new.with(one.new),
    })
}

fn of_network(
    policy: &AllocationPolicy,
    before: Option<&str>,
    network: &Network,
    places: &Places,
) -> Result<Option<Evidence>, EvidenceError> {
    let configured = configured(network, &places.library)?;
    let Source::Policy(deciding) = configured.source()? else { return Ok(None) };
    let settings = configured.settings()?;
    let Some(store) = Store::open_read_only(&settings.data_dir).map_err(RecordsError::from)? else { return Ok(None) };
    let counters = store.policy_counters(&network.name).map_err(RecordsError::from)?;
    let name = policy.installed_name();
    let wanted = format!("{name}@{}", policy.spec.digest);
    match policy.spec.mode {
        Mode::Enforce if deciding == name => {
            let of = |title: &str| counters.get(title).copied().unwrap_or_default();
            let before = before.map(|digest| of(&format!("{name}@{digest}"))).unwrap_or_default();
            Ok(Some(Evidence { before, new: of(&wanted) }))
        }
        Mode::Enforce => Ok(None),
        Mode::Shadow => Ok(as_shadow(&store, &network.name, &wanted)?.map(|new| {
            // A shadow is asked what the deciding policy granted.
            let before = PolicyCounters { refused: 0, failed: 0, ..latest(&counters, &deciding) };
            Evidence { before, new }
        })),
    }
}

fn as_shadow(store: &StoreReader, network: &str, title: &str) -> Result<Option<PolicyCounters>, RecordsError> {
    let counters = ShadowCounters::read(&store.ledger(network)?)?;
    Ok(counters.filter(|counters| counters.policy == title).map(|counters| PolicyCounters {
        since: counters.since,
        granted: counters.agreed.saturating_add(counters.differed),
        refused: counters.refused,
        failed: counters.failed.saturating_add(counters.rejected),
        fuel: counters.fuel,
    }))
}

/// Of the version of a policy that decided last.
fn latest(counters: &BTreeMap<String, PolicyCounters>, policy: &str) -> PolicyCounters {
    let of_policy = counters.iter().filter(|(title, _)| title.split('@').next() == Some(policy));
    of_policy.map(|(_, counters)| *counters).max_by_key(|counters| counters.since).unwrap_or_default()
}
