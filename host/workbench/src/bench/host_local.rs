//! The configuration of host-local that has the same addresses as another policy's pools.

use gingham_engine::pool::{Pool, PoolRange};
use gingham_engine::settings::Settings;
use serde_json::{Value, json};

/// None where a pool has ranges of two families: host-local's range sets have one.
pub fn equivalent(pools: &[Pool], settings: &Settings) -> Option<Value> {
    let is_mixed = |pool: &Pool| pool.ranges.windows(2).any(|pair| pair[0].range.family() != pair[1].range.family());
    if pools.iter().any(is_mixed) {
        return None;
    }
    let sets: Vec<Vec<Value>> = pools.iter().map(|pool| pool.ranges.iter().map(range).collect()).collect();
    let exclude: Vec<String> = settings.exclude.iter().map(|range| range.to_string()).collect();
    Some(json!({"ranges": sets, "exclude": exclude}))
}

fn range(part: &PoolRange) -> Value {
    let mut written = json!({"subnet": part.prefix.to_string(), "draining": part.draining});
    let bounds = [("rangeStart", part.range.first()), ("rangeEnd", part.range.last())];
    if let Some(object) = written.as_object_mut() {
        // Its own ranges leave these out, and naming them would open them.
        let is_edge = |address| part.reserved_edges().contains(&address);
        let named = bounds.into_iter().filter(|(_, address)| !is_edge(*address));
        object.extend(named.map(|(key, address)| (key.to_owned(), json!(address.to_string()))));
        object.extend(part.gateway.map(|gateway| ("gateway".to_owned(), json!(gateway.to_string()))));
    }
    written
}
