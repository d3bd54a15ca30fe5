//! The leases of the network.

use gingham_sdk::leases::{self, AddressState};
use rquickjs::{Class, Ctx, Function, IntoJs, Null, Object, Result, Value};

use super::{address, iterator, kept, optional_address, range};
use crate::lease::{FormerHolderObject, LeaseObject, number, of_former_holder, of_lease};

pub(super) fn add<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("nextFree", Function::new(ctx.clone(), next_free)?)?;
    host.set("addressState", Function::new(ctx.clone(), address_state)?)?;
    host.set("lease", Function::new(ctx.clone(), of_lease)?)?;
    host.set("formerHolder", Function::new(ctx.clone(), of_former_holder)?)?;
    host.set("holder", Function::new(ctx.clone(), holder)?)?;
    host.set("lastHolder", Function::new(ctx.clone(), last_holder)?)?;
    host.set("usedCount", Function::new(ctx.clone(), used_count)?)?;
    host.set("freeCount", Function::new(ctx.clone(), free_count)?)?;
    host.set("leases", Function::new(ctx.clone(), list)?)?;
    host.set("leasesOfNamespace", Function::new(ctx.clone(), of_namespace)?)?;
    host.set("countOfNamespace", Function::new(ctx.clone(), count_of_namespace)?)?;
    host.set("freeRanges", Function::new(ctx.clone(), free_ranges)?)
}

fn next_free(ctx: Ctx<'_>, within: String, after: Option<String>) -> Result<Value<'_>> {
    let found = leases::next_free(range(&ctx, &within)?, optional_address(&ctx, after)?);
    found.map_or_else(|| Null.into_js(&ctx), |found| found.to_string().into_js(&ctx))
}

fn address_state(ctx: Ctx<'_>, text: String) -> Result<String> {
    Ok(match leases::state(address(&ctx, &text)?) {
        AddressState::Free => "free".to_owned(),
        AddressState::Leased => "leased".to_owned(),
        AddressState::Cooling => "cooling".to_owned(),
        AddressState::Reserved => "reserved".to_owned(),
        AddressState::Excluded => "excluded".to_owned(),
        AddressState::Draining => "draining".to_owned(),
        AddressState::Unusable => "unusable".to_owned(),
        AddressState::Outside => "outside".to_owned(),
        other => other.to_string(),
    })
}

fn holder(ctx: Ctx<'_>, text: String) -> Result<Value<'_>> {
    match leases::holder(address(&ctx, &text)?) {
        Some(lease) => Class::instance(ctx.clone(), LeaseObject { lease })?.into_js(&ctx),
        None => Null.into_js(&ctx),
    }
}

fn last_holder(ctx: Ctx<'_>, text: String) -> Result<Value<'_>> {
    match leases::last_holder(address(&ctx, &text)?) {
        Some(holder) => Class::instance(ctx.clone(), FormerHolderObject { holder })?.into_js(&ctx),
        None => Null.into_js(&ctx),
    }
}

fn used_count(ctx: Ctx<'_>, within: String) -> Result<f64> {
    Ok(number(leases::used_count(range(&ctx, &within)?)))
}

fn free_count(ctx: Ctx<'_>, within: String) -> Result<f64> {
    Ok(number(leases::free_count(range(&ctx, &within)?)))
}

fn list(ctx: Ctx<'_>, within: String) -> Result<Function<'_>> {
    iterator(&ctx, leases::list(range(&ctx, &within)?).map(|lease| LeaseObject { lease }))
}

fn of_namespace(ctx: Ctx<'_>, namespace: String) -> Result<Function<'_>> {
    iterator(&ctx, leases::of_namespace(kept(namespace)).map(|lease| LeaseObject { lease }))
}

#[allow(clippy::needless_pass_by_value)] // The engine gives it away.
fn count_of_namespace(namespace: String) -> f64 {
    number(leases::count_of_namespace(&namespace))
}

fn free_ranges(ctx: Ctx<'_>, within: String) -> Result<Function<'_>> {
    iterator(&ctx, leases::free_ranges(range(&ctx, &within)?).map(|run| run.to_string()))
}
