//! The policy as the one who says which block is claimed next.

use std::sync::Arc;

use gingham_engine::ipam::IpamError;
use gingham_engine::ranges::RangeSet;
use gingham_engine::runtime::LogLine;
use gingham_ownership::claim::Chooser;
use gingham_ownership::grid::Picture;
use ipnet::IpNet;

use crate::Policy;

/// Asks the policy about one grid.
pub(crate) struct PolicyChooser<'p, 'a> {
    pub(crate) policy: &'p Policy<'a>,
    pub(crate) grid: usize,
    pub(crate) exclude: &'p RangeSet,
    pub(crate) log: &'p mut Vec<LogLine>,
}

impl Chooser for PolicyChooser<'_, '_> {
    type Error = IpamError;

    fn next_block(&mut self, picture: &Picture) -> Result<IpNet, IpamError> {
        let picture = Arc::new(picture.clone().barring(self.exclude.clone()));
        Ok(self.policy.next_block(self.grid, &picture, self.log)?.block)
    }
}
