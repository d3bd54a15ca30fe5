//! What JavaScript returns, as JSON: pools, answers, grids and ranges.

use std::net::IpAddr;

use gingham_sdk::{Answer, Assigned, Dns, Grid, IpNet, IpRange, Pool, PoolRange, Route};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PoolText {
    name: String,
    ranges: Vec<PoolRangeText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PoolRangeText {
    prefix: IpNet,
    first: Option<IpAddr>,
    last: Option<IpAddr>,
    gateway: Option<IpAddr>,
    #[serde(default)]
    allows_network_address: bool,
    #[serde(default)]
    allows_broadcast_address: bool,
    #[serde(default)]
    draining: bool,
}

impl PoolText {
    pub(crate) fn into_pool(self) -> Result<Pool, String> {
        let pool = Pool::new(&self.name);
        self.ranges.into_iter().try_fold(pool, |pool, range| Ok(pool.range(range.into_range(&self.name)?)))
    }
}

impl PoolRangeText {
    fn into_range(self, pool: &str) -> Result<PoolRange, String> {
        let Self { prefix, first, last, .. } = self;
        let (first, last) = (first.unwrap_or(prefix.network()), last.unwrap_or(prefix.broadcast()));
        let range = IpRange::new(first, last).and_then(|range| PoolRange::new(prefix, range));
        let range = range.ok_or_else(|| format!("pool {pool}: {first}-{last} is not a range within {prefix}"))?;
        Ok(range
            .with_gateway(self.gateway)
            .allowing_network_address(self.allows_network_address)
            .allowing_broadcast_address(self.allows_broadcast_address)
            .draining(self.draining))
    }
}

/// `"10.1.0.5"`, several of them, or an object with what else a container gets.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected an address, a list of addresses, or an object with the key `addresses`")]
pub(crate) enum AnswerText {
    One(IpAddr),
    Several(Vec<AddressText>),
    Whole(WholeText),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WholeText {
    addresses: Vec<AddressText>,
    #[serde(default)]
    routes: Vec<Route>,
    dns: Option<DnsText>,
    reason: Option<String>,
}

/// An address of a pool, or one with the prefix length and gateway that the container shall see.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected an address, or an object with the keys `address` (IP/LENGTH) and `gateway`")]
pub(crate) enum AddressText {
    OfPool(IpAddr),
    Whole(AssignedText),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignedText {
    address: IpNet,
    gateway: Option<IpAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DnsText {
    #[serde(default)]
    nameservers: Vec<String>,
    domain: Option<String>,
    #[serde(default)]
    search: Vec<String>,
    #[serde(default)]
    options: Vec<String>,
}

impl AnswerText {
    pub(crate) fn into_answer(self, pools: &[Pool]) -> Result<Answer, String> {
        let whole = match self {
            Self::One(address) => WholeText::of(vec![AddressText::OfPool(address)]),
            Self::Several(addresses) => WholeText::of(addresses),
            Self::Whole(whole) => whole,
        };
        let assigned: Result<Vec<_>, _> = whole.addresses.into_iter().map(|address| address.assigned(pools)).collect();
        let dns = whole.dns.map(|DnsText { nameservers, domain, search, options }| Dns {
            nameservers,
            domain,
            search,
            options,
        });
        let answer = Answer::of(assigned?).with_routes(whole.routes).with_dns(dns);
        Ok(match whole.reason {
            Some(reason) => answer.because(reason),
            None => answer,
        })
    }
}

impl WholeText {
    fn of(addresses: Vec<AddressText>) -> Self {
        Self { addresses, routes: Vec::new(), dns: None, reason: None }
    }
}

impl AddressText {
    fn assigned(self, pools: &[Pool]) -> Result<Assigned, String> {
        match self {
            Self::Whole(AssignedText { address, gateway }) => Ok(Assigned { address, gateway }),
            Self::OfPool(address) => pools
                .iter()
                .find_map(|pool| pool.assign(address))
                .ok_or_else(|| format!("allocate returned {address}, which lies in no pool of checkConfig")),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GridText {
    range: IpNet,
    block_length: u8,
}

impl GridText {
    pub(crate) fn into_grid(self) -> Result<Grid, String> {
        let Self { range, block_length } = self;
        let fault = || format!("blocks returned blockLength {block_length} for {range}: use a longer prefix");
        Grid::new(range, block_length).ok_or_else(fault)
    }
}

/// `"10.1.0.0/24"`.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct BlockText(pub(crate) IpNet);

/// `"10.1.0.0/24"`, `"10.1.0.5-10.1.0.9"` or one address.
pub(crate) struct RangeText(pub(crate) IpRange);

impl RangeText {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(prefix) = text.parse::<IpNet>() {
            return Some(Self(prefix.into()));
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        IpRange::new(first.parse().ok()?, last.parse().ok()?).map(Self)
    }
}

impl<'de> Deserialize<'de> for RangeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not a range of addresses")))
    }
}
