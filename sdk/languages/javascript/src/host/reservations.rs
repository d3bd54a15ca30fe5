//! Addresses kept for a key.

use std::time::Duration;

use gingham_sdk::reservations::{self, Reservation, ReservationError};
use rquickjs::{Ctx, Exception, Function, IntoJs, Null, Object, Result, Value};
use serde_json::{Value as Json, json};

use super::{address, json as value_of};
use crate::clock::millis;

pub(super) fn add<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("reservations", Function::new(ctx.clone(), find)?)?;
    host.set("reservationOn", Function::new(ctx.clone(), on_address)?)?;
    host.set("reserve", Function::new(ctx.clone(), reserve)?)?;
    host.set("endReservations", Function::new(ctx.clone(), end)?)
}

#[allow(clippy::needless_pass_by_value)] // The engine gives it away.
fn find(ctx: Ctx<'_>, key: String) -> Result<Value<'_>> {
    value_of(&ctx, &reservations::find(&key).iter().map(shown).collect())
}

fn on_address(ctx: Ctx<'_>, text: String) -> Result<Value<'_>> {
    let found = reservations::on_address(address(&ctx, &text)?);
    found.map_or_else(|| Null.into_js(&ctx), |reservation| value_of(&ctx, &shown(&reservation)))
}

fn shown(reservation: &Reservation) -> Json {
    json!({"key": reservation.key, "address": reservation.address, "until": millis(reservation.until)})
}

/// The code and the sentence of what went wrong.
#[allow(clippy::needless_pass_by_value)] // The engine gives them away.
fn reserve(ctx: Ctx<'_>, key: String, text: String, seconds: f64) -> Result<Option<Vec<String>>> {
    let time = Duration::try_from_secs_f64(seconds)
        .map_err(|_| Exception::throw_range(&ctx, &format!("{seconds} is not a number of seconds to reserve for")))?;
    Ok(reservations::reserve(&key, address(&ctx, &text)?, time).err().map(|error| {
        let code = match &error {
            ReservationError::Full => "full",
            ReservationError::Held => "held",
            ReservationError::BadKey => "bad-key",
            ReservationError::NotInPool => "not-in-pool",
            _ => "other",
        };
        vec![code.to_owned(), error.to_string()]
    }))
}

#[allow(clippy::needless_pass_by_value)] // The engine gives it away.
fn end(key: String) {
    reservations::end(&key);
}
