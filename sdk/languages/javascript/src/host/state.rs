//! The policy's own state.

use gingham_sdk::state::{self, StateError};
use rquickjs::{Ctx, Function, IntoJs, Null, Object, Result, TypedArray, Value};

use super::{iterator, kept};

pub(super) fn add<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("stateText", Function::new(ctx.clone(), text)?)?;
    host.set("stateBytes", Function::new(ctx.clone(), bytes)?)?;
    host.set("setStateText", Function::new(ctx.clone(), set_text)?)?;
    host.set("setStateBytes", Function::new(ctx.clone(), set_bytes)?)?;
    host.set("deleteState", Function::new(ctx.clone(), delete)?)?;
    host.set("stateKeys", Function::new(ctx.clone(), keys)?)
}

#[allow(clippy::needless_pass_by_value)] // The engine gives them away, here and below.
fn text(ctx: Ctx<'_>, key: String) -> Result<Value<'_>> {
    match state::get_bytes(&key).and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) => text.into_js(&ctx),
        None => Null.into_js(&ctx),
    }
}

#[allow(clippy::needless_pass_by_value)]
fn bytes(ctx: Ctx<'_>, key: String) -> Result<Value<'_>> {
    match state::get_bytes(&key) {
        Some(bytes) => TypedArray::new(ctx.clone(), bytes)?.into_js(&ctx),
        None => Null.into_js(&ctx),
    }
}

#[allow(clippy::needless_pass_by_value)]
fn set_text(key: String, text: String) -> Option<Vec<String>> {
    fault(state::set_bytes(&key, text.as_bytes()))
}

#[allow(clippy::needless_pass_by_value)]
fn set_bytes(key: String, bytes: Vec<u8>) -> Option<Vec<String>> {
    fault(state::set_bytes(&key, &bytes))
}

/// Its code, and the sentence.
fn fault(result: std::result::Result<(), StateError>) -> Option<Vec<String>> {
    let error = result.err()?;
    let code = match &error {
        StateError::Full => "full",
        StateError::BadKey => "bad-key",
        StateError::TooLong => "too-long",
        StateError::BadValue => "bad-value",
        _ => "other",
    };
    Some(vec![code.to_owned(), error.to_string()])
}

#[allow(clippy::needless_pass_by_value)]
fn delete(key: String) {
    state::delete(&key);
}

fn keys(ctx: Ctx<'_>, prefix: String) -> Result<Function<'_>> {
    iterator(&ctx, state::keys(kept(prefix)))
}
