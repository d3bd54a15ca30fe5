//! Numbers that look random and can be replayed, and hashes that stay the same in all versions.

use std::net::IpAddr;

use crate::IpRange;

/// A generator of numbers, seeded by a request: the same request draws the same numbers. (`SplitMix64`; not for secrets.)
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator from a seed.
    pub fn from_seed(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, each as likely as the other up to 2^-64; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// An address of the range, each as likely as another; beyond 2^64 of them, one of the lowest 2^64.
    pub fn address(&mut self, range: IpRange) -> IpAddr {
        let bound = u64::try_from(range.span()).unwrap_or(u64::MAX).saturating_add(1);
        let offset = self.below(bound);
        range.nth(offset.into()).unwrap_or(range.first())
    }
}

/// A hash that will never change (FNV-1a, 64 bits), for policies that derive addresses from names.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_hold() {
        // Published test vectors: FNV-1a of "" and "a"; SplitMix64 from seed 0.
        assert_eq!(stable_hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(stable_hash(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Random::from_seed(0).next_u64(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn addresses_stay_within_and_reach_both_ends() {
        for (first, last) in [("10.0.0.5", "10.0.0.8"), ("255.255.255.254", "255.255.255.255"), ("fd00::5", "fd00::8")]
        {
            let range = IpRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap();
            let mut random = Random::from_seed(7);
            let drawn: Vec<IpAddr> = (0..100).map(|_| random.address(range)).collect();
            assert!(drawn.iter().all(|address| range.contains(*address)));
            assert!(drawn.contains(&range.first()) && drawn.contains(&range.last()));
        }
        let all = IpRange::new("::".parse().unwrap(), "ffff::".parse().unwrap()).unwrap();
        assert!(Random::from_seed(7).address(all).is_ipv6());
    }

    #[test]
    fn below_stays_below() {
        let mut random = Random::from_seed(42);
        assert!((0..1000).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
    }
}
