//! The configuration, as it is written.

use gingham_sdk::Route;
use serde::Deserialize;

/// The keys under `ipam`. Addresses are texts here: the reference takes "" for none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Config {
    /// Range sets the runtime requests (capability `ipRanges`); they come first.
    pub ip_ranges: Option<Vec<Vec<RangeConfig>>>,
    /// The old form, one range: it counts only with `subnet`.
    pub subnet: Option<String>,
    /// See [`RangeConfig::range_start`].
    pub range_start: Option<String>,
    /// See [`RangeConfig::range_end`].
    pub range_end: Option<String>,
    /// See [`RangeConfig::gateway`].
    pub gateway: Option<String>,
    /// See [`RangeConfig::draining`].
    pub draining: bool,
    /// Range sets.
    pub ranges: Option<Vec<Vec<RangeConfig>>>,
    /// Handed to the container as they are.
    pub routes: Option<Vec<Route>>,
}

/// One range.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RangeConfig {
    /// The network, required: "10.1.0.0/16".
    pub subnet: Option<String>,
    /// First address; by default the one after the network's.
    pub range_start: Option<String>,
    /// Last address; by default the one before the broadcast address, or the last one of an IPv6 network.
    pub range_end: Option<String>,
    /// The gateway; by default the address after the network's.
    pub gateway: Option<String>,
    /// Whether it gives out nothing new while its leases live.
    pub draining: bool,
}

impl Config {
    /// All range sets in their order, each with the path of its key.
    pub fn range_sets(&self) -> Vec<(String, Vec<RangeConfig>)> {
        let listed = |key: &'static str, sets: &Option<Vec<Vec<RangeConfig>>>| {
            let sets = sets.clone().unwrap_or_default();
            sets.into_iter().enumerate().map(move |(index, set)| (format!("{key}[{index}]"), set))
        };
        let single = self.subnet.as_deref().filter(|subnet| !subnet.is_empty()).map(|_| {
            let single = RangeConfig {
                subnet: self.subnet.clone(),
                range_start: self.range_start.clone(),
                range_end: self.range_end.clone(),
                gateway: self.gateway.clone(),
                draining: self.draining,
            };
            (String::new(), vec![single])
        });
        listed("ipRanges", &self.ip_ranges).chain(single).chain(listed("ranges", &self.ranges)).collect()
    }
}
