//! Interface `reservations`: addresses kept for a key.

use wasmtime::component::Resource;

use super::bindings::gingham::ipam::addresses::IpAddress;
use super::bindings::gingham::ipam::reservations as wit;
use super::convert;
use crate::ledger::Reservation;
use crate::runtime::state::HostState;
use crate::runtime::view::ReservationError;

impl HostState {
    fn push_reservation(&mut self, reservation: Reservation) -> wasmtime::Result<Resource<Reservation>> {
        // The policy may keep it.
        self.charge_for(reservation.key.len())?;
        Ok(self.table.push(reservation)?)
    }
}

impl wit::Host for HostState {
    fn find(&mut self, key: String) -> wasmtime::Result<Vec<Resource<Reservation>>> {
        self.charge_for(key.len())?;
        let Some(view) = &mut self.view else { return Ok(Vec::new()) };
        let found = view.reservations_of(&key)?;
        found.into_iter().map(|reservation| self.push_reservation(reservation)).collect()
    }

    fn on_address(&mut self, address: IpAddress) -> wasmtime::Result<Option<Resource<Reservation>>> {
        self.charge()?;
        let address = convert::address_in(address)?;
        let Some(view) = &mut self.view else { return Ok(None) };
        let Some(found) = view.reservation(address)? else { return Ok(None) };
        Ok(Some(self.push_reservation(found)?))
    }

    fn reserve(
        &mut self,
        key: String,
        address: IpAddress,
        for_ms: u64,
    ) -> wasmtime::Result<Result<(), wit::ReservationError>> {
        self.charge_for(key.len())?;
        let address = convert::address_in(address)?;
        let Some(view) = &mut self.view else { return Ok(Ok(())) };
        Ok(view.reserve(&key, address, for_ms)?.map_err(|error| match error {
            ReservationError::Full => wit::ReservationError::Full,
            ReservationError::Held => wit::ReservationError::Held,
            ReservationError::BadKey => wit::ReservationError::BadKey,
            ReservationError::NotInPool => wit::ReservationError::NotInPool,
        }))
    }

    fn end(&mut self, key: String) -> wasmtime::Result<()> {
        self.charge_for(key.len())?;
        self.view.as_mut().map_or(Ok(()), |view| Ok(view.end_reservations(&key)?))
    }
}

impl wit::HostReservation for HostState {
    fn key(&mut self, reservation: Resource<Reservation>) -> wasmtime::Result<String> {
        self.getter(&reservation, |reservation| reservation.key.clone())
    }

    fn address(&mut self, reservation: Resource<Reservation>) -> wasmtime::Result<IpAddress> {
        self.getter(&reservation, |reservation| convert::address_out(reservation.address))
    }

    fn until(&mut self, reservation: Resource<Reservation>) -> wasmtime::Result<u64> {
        self.getter(&reservation, |reservation| reservation.until)
    }

    fn drop(&mut self, reservation: Resource<Reservation>) -> wasmtime::Result<()> {
        self.table.delete(reservation)?;
        Ok(())
    }
}
