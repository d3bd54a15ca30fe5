//! Addresses kept for a key, whether they are leased or not.
//!
//! The policy chooses the key, for example the pod's namespace and name. A reserved address is skipped by
//! [`leases::next_free`](crate::leases::next_free), and an answer may have it only if the same call reserved it, again,
//! under the same key. Reservations are committed with the answer, outlive reboots, and end by time.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::bindings::policy::gingham::ipam::reservations as wit;
use crate::{convert, host};

/// Why an address could not be reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReservationError {
    /// The network has 16,384 reservations, or the key has 8.
    Full,
    /// It is reserved under another key.
    Held,
    /// The key is empty, longer than 256 bytes, or holds a NUL byte.
    BadKey,
    /// It is in no pool, excluded, or a network, broadcast or gateway address.
    NotInPool,
    /// An error of a later host.
    Other(String),
}

impl fmt::Display for ReservationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the network has 16,384 reservations, or the key has 8",
            Self::Held => "the address is reserved under another key",
            Self::BadKey => "the reservation's key is empty, longer than 256 bytes, or holds a NUL byte",
            Self::NotInPool => "the address is in no pool, or cannot be handed out",
            Self::Other(other) => other,
        })
    }
}

impl std::error::Error for ReservationError {}

/// One reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reservation {
    /// The policy's key.
    pub key: String,
    /// The reserved address.
    pub address: IpAddr,
    /// When it ends.
    pub until: SystemTime,
}

impl Reservation {
    #[allow(clippy::needless_pass_by_value)] // It is dropped here, so the host forgets it.
    fn of(inner: wit::Reservation) -> Self {
        Self { key: inner.key(), address: convert::address_in(inner.address()), until: convert::time_in(inner.until()) }
    }
}

/// The reservations under a key, in address order.
pub fn find(key: &str) -> Vec<Reservation> {
    host::called();
    wit::find(key).into_iter().map(Reservation::of).collect()
}

/// The reservation of an address.
pub fn on_address(address: IpAddr) -> Option<Reservation> {
    host::called();
    wit::on_address(convert::address_out(address)).map(Reservation::of)
}

/// Reserves an address, leased or not, for a time from now. One that is reserved under this key gets the new end.
///
/// # Errors
/// [`ReservationError`]
pub fn reserve(key: &str, address: IpAddr, time: Duration) -> Result<(), ReservationError> {
    host::called();
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    wit::reserve(key, convert::address_out(address), millis).map_err(|error| match error {
        wit::ReservationError::Full => ReservationError::Full,
        wit::ReservationError::Held => ReservationError::Held,
        wit::ReservationError::BadKey => ReservationError::BadKey,
        wit::ReservationError::NotInPool => ReservationError::NotInPool,
        wit::ReservationError::Other(other) => ReservationError::Other(other),
    })
}

/// Ends all reservations under a key.
pub fn end(key: &str) {
    host::called();
    wit::end(key);
}
