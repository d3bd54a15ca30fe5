//! Values of the contract, as a trace shows them.

use wasmtime::component::{Resource, ResourceTable};

use crate::attachment::{Adopted, Answer, Context, Ended, Owner, Problem, Refusal, Request, Route};
use crate::ledger::Reservation;
use crate::pool::{Pool, PoolRange};
use crate::runtime::v0_2::bindings::gingham::ipam as wit;
use crate::runtime::v0_2::convert;
use crate::runtime::view::{FormerHolderInfo, LeaseInfo};

/// Bytes of a value of the state that are shown, and items of a list.
const MOST: usize = 64;

pub(super) trait Shown {
    /// The value in one line. The table has what handles stand for.
    fn shown(&self, table: &ResourceTable) -> String;
}

/// A resource of the host, by its handle.
trait Named: 'static {
    fn named(&self) -> String;
}

impl<T: Named> Shown for Resource<T> {
    fn shown(&self, table: &ResourceTable) -> String {
        table.get(self).map_or_else(|_| "a handle of nothing".to_owned(), Named::named)
    }
}

impl Shown for () {
    fn shown(&self, _: &ResourceTable) -> String {
        String::new()
    }
}

impl Shown for String {
    fn shown(&self, _: &ResourceTable) -> String {
        format!("{self:?}")
    }
}

impl Shown for u32 {
    fn shown(&self, _: &ResourceTable) -> String {
        self.to_string()
    }
}

impl Shown for u64 {
    fn shown(&self, _: &ResourceTable) -> String {
        self.to_string()
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self, table: &ResourceTable) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), |value| value.shown(table))
    }
}

impl<T: Shown> Shown for Vec<T> {
    fn shown(&self, table: &ResourceTable) -> String {
        let mut items: Vec<String> = self.iter().take(MOST).map(|item| item.shown(table)).collect();
        items.extend((self.len() > MOST).then(|| format!("and {} more", self.len() - MOST)));
        format!("[{}]", items.join(", "))
    }
}

/// A value of the policy's state.
impl Shown for Vec<u8> {
    fn shown(&self, _: &ResourceTable) -> String {
        let kept = &self[..self.len().min(MOST)];
        let rest =
            if kept.len() < self.len() { format!(" and {} bytes more", self.len() - MOST) } else { String::new() };
        format!("b\"{}\"{rest}", kept.escape_ascii())
    }
}

impl<T: Shown, E: Shown> Shown for Result<T, E> {
    fn shown(&self, table: &ResourceTable) -> String {
        match self {
            Ok(value) => value.shown(table),
            Err(error) => format!("error {}", error.shown(table)),
        }
    }
}

impl Shown for (String, String) {
    fn shown(&self, _: &ResourceTable) -> String {
        format!("{}={:?}", self.0, self.1)
    }
}

impl Shown for (u32, wit::addresses::IpAddress) {
    fn shown(&self, table: &ResourceTable) -> String {
        format!("{}: {}", self.0, self.1.shown(table))
    }
}

/// A hardware address.
impl Shown for (u8, u8, u8, u8, u8, u8) {
    fn shown(&self, _: &ResourceTable) -> String {
        let (a, b, c, d, e, f) = self;
        format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl Shown for wit::addresses::IpAddress {
    fn shown(&self, _: &ResourceTable) -> String {
        convert::address_in(*self).map_or_else(|bad| bad.to_string(), |address| address.to_string())
    }
}

impl Shown for wit::addresses::IpPrefix {
    fn shown(&self, _: &ResourceTable) -> String {
        convert::prefix_in(*self).map_or_else(|bad| bad.to_string(), |prefix| prefix.to_string())
    }
}

impl Shown for wit::addresses::IpRange {
    fn shown(&self, _: &ResourceTable) -> String {
        convert::range_in(*self).map_or_else(|bad| bad.to_string(), |range| range.to_string())
    }
}

impl Shown for wit::addresses::Dns {
    fn shown(&self, _: &ResourceTable) -> String {
        format!("name servers {:?}", self.nameservers)
    }
}

impl Shown for wit::context::Fact {
    fn shown(&self, _: &ResourceTable) -> String {
        match self {
            Self::Known(value) => format!("known {value:?}"),
            Self::Absent => "absent".to_owned(),
            Self::Unknown => "unknown".to_owned(),
        }
    }
}

impl Shown for wit::request::OwnerFact {
    fn shown(&self, table: &ResourceTable) -> String {
        match self {
            Self::Known(owner) => format!("known {}", owner.shown(table)),
            Self::Absent => "absent".to_owned(),
            Self::Unknown => "unknown".to_owned(),
        }
    }
}

/// Closed values, named as in the contract.
macro_rules! debugged {
    ($($kind:ty)*) => {
        $(impl Shown for $kind {
            fn shown(&self, _: &ResourceTable) -> String {
                // `AddressState::Leased`, of which the last word counts.
                let text = format!("{self:?}");
                text.rsplit("::").next().unwrap_or(&text).to_lowercase()
            }
        })*
    };
}

debugged! {
    wit::request::Requester
    wit::leases::AddressState
    wit::state::StateError
    wit::reservations::ReservationError
    wit::log::Level
}

impl Named for Context {
    fn named(&self) -> String {
        "context".to_owned()
    }
}

impl Named for Request {
    fn named(&self) -> String {
        "request".to_owned()
    }
}

impl Named for Ended {
    fn named(&self) -> String {
        "ended".to_owned()
    }
}

impl Named for Adopted {
    fn named(&self) -> String {
        "adopted".to_owned()
    }
}

impl Named for Answer {
    fn named(&self) -> String {
        "answer".to_owned()
    }
}

impl Named for Refusal {
    fn named(&self) -> String {
        "refusal".to_owned()
    }
}

impl Named for Problem {
    fn named(&self) -> String {
        format!("problem {:?}", self.key)
    }
}

impl Named for Owner {
    fn named(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

impl Named for Route {
    fn named(&self) -> String {
        format!("route {}", self.destination)
    }
}

impl Named for Pool {
    fn named(&self) -> String {
        format!("pool {:?}", self.name)
    }
}

impl Named for PoolRange {
    fn named(&self) -> String {
        self.range.to_string()
    }
}

impl Named for LeaseInfo {
    fn named(&self) -> String {
        format!("lease of {} ({} {})", self.address, self.key.container_id, self.key.interface)
    }
}

impl Named for FormerHolderInfo {
    fn named(&self) -> String {
        format!("{} {}", self.holder.key.container_id, self.holder.key.interface)
    }
}

impl Named for Reservation {
    fn named(&self) -> String {
        format!("{} for {:?}", self.address, self.key)
    }
}
