//! Interface `shares`: a cluster's range in blocks, and who holds which.

use std::net::IpAddr;

use super::bindings::gingham::ipam::{addresses as wit, shares};
use super::convert;
use crate::runtime::state::HostState;
use crate::runtime::weight::Weight;

impl shares::Host for HostState {
    fn me(&mut self) -> wasmtime::Result<String> {
        let me = self.picture.as_ref().map_or(self.node.as_str(), |picture| picture.me()).to_owned();
        self.charge_for(me.len())?;
        Ok(me)
    }

    fn members(&mut self) -> wasmtime::Result<Vec<String>> {
        let alone = std::slice::from_ref(&self.node);
        let members = self.picture.as_ref().map_or(alone, |picture| picture.members()).to_vec();
        self.charge_for(members.bytes())?;
        Ok(members)
    }

    fn next_unclaimed(
        &mut self,
        within: wit::IpRange,
        after: Option<wit::IpAddress>,
    ) -> wasmtime::Result<Option<wit::IpPrefix>> {
        self.charge()?;
        let within = convert::range_in(within)?;
        let after = after.map(convert::address_in).transpose()?;
        let mut steps = 0;
        let found = self.picture.as_ref().and_then(|picture| picture.find_unclaimed(within, after, &mut steps));
        self.spend(steps)?;
        Ok(found.map(convert::prefix_out))
    }

    fn unclaimed_count(&mut self, within: wit::IpRange) -> wasmtime::Result<u64> {
        self.charge()?;
        let within = convert::range_in(within)?;
        let mut steps = 0;
        let count = self.picture.as_ref().map_or(0, |picture| picture.count_unclaimed(within, &mut steps));
        self.spend(steps)?;
        Ok(count)
    }

    fn claimed(&mut self) -> wasmtime::Result<Vec<wit::IpPrefix>> {
        // Looking at all claimed blocks costs, however few are this member's.
        self.charge_for(self.picture.as_ref().map_or(0, |picture| picture.claimed_count()))?;
        let mine =
            self.picture.as_ref().map(|picture| picture.blocks_of(picture.me()).map(convert::prefix_out).collect());
        let mine: Vec<wit::IpPrefix> = mine.unwrap_or_default();
        self.charge_for(mine.bytes())?;
        Ok(mine)
    }

    fn holder(&mut self, address: wit::IpAddress) -> wasmtime::Result<Option<String>> {
        let address: IpAddr = convert::address_in(address)?;
        let holder = self.picture.as_ref().and_then(|picture| picture.holder_of(address)).map(str::to_owned);
        self.charge_for(holder.bytes())?;
        Ok(holder)
    }
}
