//! What passes between policy and host, weighed: large values cost more of the budget of host calls.

use super::v0_2::bindings::gingham::ipam::addresses::{Dns, IpAddress, IpPrefix, IpRange};
use super::view::{FormerHolderInfo, LeaseInfo};
use crate::attachment::{AttachmentKey, Pod};

/// How many bytes of text a value carries, roughly.
pub(super) trait Weight {
    fn bytes(&self) -> usize {
        0
    }
}

impl Weight for u64 {}
impl Weight for IpAddress {}
impl Weight for IpPrefix {}
impl Weight for IpRange {}
impl Weight for (u8, u8, u8, u8, u8, u8) {}

impl Weight for String {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl<T: Weight> Weight for Option<T> {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(0, Weight::bytes)
    }
}

impl<T: Weight> Weight for Vec<T> {
    fn bytes(&self) -> usize {
        self.iter().map(|item| item.bytes() + size_of::<T>()).sum()
    }
}

impl Weight for (String, String) {
    fn bytes(&self) -> usize {
        self.0.len() + self.1.len()
    }
}

impl Weight for AttachmentKey {
    fn bytes(&self) -> usize {
        self.container_id.len() + self.interface.len()
    }
}

impl Weight for Pod {
    fn bytes(&self) -> usize {
        self.namespace.bytes() + self.name.bytes() + self.uid.bytes()
    }
}

impl Weight for LeaseInfo {
    fn bytes(&self) -> usize {
        self.key.bytes() + self.pod.bytes() + self.reason.bytes()
    }
}

impl Weight for FormerHolderInfo {
    fn bytes(&self) -> usize {
        self.holder.key.bytes() + self.holder.pod.bytes()
    }
}

impl Weight for Dns {
    fn bytes(&self) -> usize {
        self.nameservers.bytes() + self.domain.bytes() + self.search.bytes() + self.options.bytes()
    }
}
