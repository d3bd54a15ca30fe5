//! Address arithmetic: runs of addresses of one family, in 128 bits.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    pub fn whole(self) -> IpRange {
        match self {
            Self::V4 => IpRange { first: Ipv4Addr::UNSPECIFIED.into(), last: Ipv4Addr::BROADCAST.into() },
            Self::V6 => IpRange { first: Ipv6Addr::UNSPECIFIED.into(), last: Ipv6Addr::from(u128::MAX).into() },
        }
    }

    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The address with this number, if the family has one.
    pub fn address(self, number: u128) -> Option<IpAddr> {
        match self {
            Self::V4 => u32::try_from(number).ok().map(|n| IpAddr::V4(Ipv4Addr::from(n))),
            Self::V6 => Some(IpAddr::V6(Ipv6Addr::from(number))),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// An address as a number, for arithmetic within its family.
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// The address above, within the same family; none above the last one.
pub fn successor(address: IpAddr) -> Option<IpAddr> {
    number(address).checked_add(1).and_then(|n| Family::of(address).address(n))
}

/// The address below, within the same family; none below the first one.
pub fn predecessor(address: IpAddr) -> Option<IpAddr> {
    number(address).checked_sub(1).and_then(|n| Family::of(address).address(n))
}

/// A run of addresses of one family, both ends included, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

impl IpRange {
    /// The run from `first` to `last`; none if they are of two families or in the wrong order.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (Family::of(first) == Family::of(last) && first <= last).then_some(Self { first, last })
    }

    pub fn single(address: IpAddr) -> Self {
        Self { first: address, last: address }
    }

    pub fn first(&self) -> IpAddr {
        self.first
    }

    pub fn last(&self) -> IpAddr {
        self.last
    }

    pub fn family(&self) -> Family {
        Family::of(self.first)
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        Family::of(address) == self.family() && self.first <= address && address <= self.last
    }

    /// Whether the other run lies in this one as a whole.
    pub fn covers(&self, other: &Self) -> bool {
        self.contains(other.first) && self.contains(other.last)
    }

    /// The addresses both runs have.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        if self.family() != other.family() {
            return None;
        }
        Self::new(self.first.max(other.first), self.last.min(other.last))
    }

    /// How many addresses; the whole IPv6 space saturates at `u128::MAX`.
    pub fn len(&self) -> u128 {
        (number(self.last) - number(self.first)).saturating_add(1)
    }

    /// Never: a range holds one address at least. Here because `len` is.
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl From<IpNet> for IpRange {
    fn from(net: IpNet) -> Self {
        Self { first: net.network(), last: net.broadcast() }
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

/// A text that is no address, range or prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither an address, nor a range FIRST-LAST, nor a prefix ADDRESS/LENGTH")]
pub struct ParseRangeError {
    pub text: String,
}

impl FromStr for IpRange {
    type Err = ParseRangeError;

    /// Reads "10.0.0.1", "10.0.0.1-10.0.0.9" or "10.0.0.0/24".
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || ParseRangeError { text: text.to_owned() };
        if let Some((first, last)) = text.split_once('-') {
            let first = first.trim().parse().map_err(|_| fault())?;
            let last = last.trim().parse().map_err(|_| fault())?;
            return Self::new(first, last).ok_or_else(fault);
        }
        if text.contains('/') {
            return text.trim().parse::<IpNet>().map(Self::from).map_err(|_| fault());
        }
        text.trim().parse().map(Self::single).map_err(|_| fault())
    }
}
