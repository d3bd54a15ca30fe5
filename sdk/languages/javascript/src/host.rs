//! The functions through which JavaScript calls the host. `prelude.js` gives them the form that policies see.

mod about;
mod leases;
mod reservations;
mod shares;
mod state;

use std::net::IpAddr;

use gingham_sdk::{IpRange, log};
use rquickjs::{BigInt, Ctx, Exception, Function, IntoJs, Object, Result, Value};

use crate::answers::RangeText;
use crate::subject;

/// All of them, in one object.
pub(crate) fn functions<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let host = Object::new(ctx.clone())?;
    host.set("isServing", Function::new(ctx.clone(), || subject::with(|_| ()).is_some())?)?;
    host.set("log", Function::new(ctx.clone(), write)?)?;
    host.set("random", Function::new(ctx.clone(), random)?)?;
    about::add(ctx, &host)?;
    leases::add(ctx, &host)?;
    state::add(ctx, &host)?;
    reservations::add(ctx, &host)?;
    shares::add(ctx, &host)?;
    Ok(host)
}

#[allow(clippy::needless_pass_by_value)] // The engine gives them away.
fn write(level: String, message: String) {
    match level.as_str() {
        "debug" => log::debug(&message),
        "warn" => log::warn(&message),
        "error" => log::error(&message),
        _ => log::info(&message),
    }
}

fn random(ctx: Ctx<'_>) -> Result<BigInt<'_>> {
    match subject::next_random() {
        Some(next) => BigInt::from_u64(ctx, next),
        None => Err(Exception::throw_message(
            &ctx,
            "random numbers follow from a request's seed: only allocate has a request",
        )),
    }
}

fn address(ctx: &Ctx<'_>, text: &str) -> Result<IpAddr> {
    text.parse().map_err(|_| Exception::throw_type(ctx, &format!("{text:?} is not an IP address")))
}

fn optional_address(ctx: &Ctx<'_>, text: Option<String>) -> Result<Option<IpAddr>> {
    text.map(|text| address(ctx, &text)).transpose()
}

fn range(ctx: &Ctx<'_>, text: &str) -> Result<IpRange> {
    let fault = || format!("{text:?} is not a range: use \"10.1.0.0/24\", \"10.1.0.5-10.1.0.9\" or an address");
    RangeText::parse(text).map(|range| range.0).ok_or_else(|| Exception::throw_type(ctx, &fault()))
}

/// A value by its JSON.
fn json<'js>(ctx: &Ctx<'js>, value: &serde_json::Value) -> Result<Value<'js>> {
    ctx.json_parse(value.to_string())
}

/// An iterator that JavaScript asks for one item after the other.
fn iterator<'js, T: IntoJs<'js> + 'js>(
    ctx: &Ctx<'js>,
    mut items: impl Iterator<Item = T> + 'js,
) -> Result<Function<'js>> {
    Function::new(ctx.clone(), rquickjs::function::MutFn::new(move || items.next()))
}

/// A name that lives as long as the instance: as long as one request.
fn kept(name: String) -> &'static str {
    Box::leak(name.into_boxed_str())
}
