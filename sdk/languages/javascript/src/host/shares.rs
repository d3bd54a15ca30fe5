//! The cluster's members and blocks.

use gingham_sdk::shares;
use rquickjs::{Ctx, Function, IntoJs, Null, Object, Result, Value};

use super::{address, optional_address, range};
use crate::lease::number;

pub(super) fn add<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("me", Function::new(ctx.clone(), shares::me)?)?;
    host.set("members", Function::new(ctx.clone(), shares::members)?)?;
    host.set("nextUnclaimed", Function::new(ctx.clone(), next_unclaimed)?)?;
    host.set("unclaimedCount", Function::new(ctx.clone(), unclaimed_count)?)?;
    host.set("claimed", Function::new(ctx.clone(), claimed)?)?;
    host.set("blockHolder", Function::new(ctx.clone(), holder)?)
}

fn next_unclaimed(ctx: Ctx<'_>, within: String, after: Option<String>) -> Result<Value<'_>> {
    let found = shares::next_unclaimed(range(&ctx, &within)?, optional_address(&ctx, after)?);
    found.map_or_else(|| Null.into_js(&ctx), |block| block.to_string().into_js(&ctx))
}

fn unclaimed_count(ctx: Ctx<'_>, within: String) -> Result<f64> {
    Ok(number(shares::unclaimed_count(range(&ctx, &within)?)))
}

fn claimed() -> Vec<String> {
    shares::claimed().iter().map(ToString::to_string).collect()
}

fn holder(ctx: Ctx<'_>, text: String) -> Result<Value<'_>> {
    shares::holder(address(&ctx, &text)?).map_or_else(|| Null.into_js(&ctx), |holder| holder.into_js(&ctx))
}
