//! Leases and former holders, as JavaScript holds them; `prelude.js` gives them properties. Each is a host call.

use gingham_sdk::leases::{FormerHolder, Lease};
use rquickjs::class::Trace;
use rquickjs::{Class, Ctx, Exception, IntoJs, JsLifetime, Result, Value, class};

use crate::clock::millis;

// Without `methods`, which makes them in another order each time it is compiled.
#[derive(Trace, JsLifetime)]
#[class(rename = "Lease")]
pub(crate) struct LeaseObject {
    #[qjs(skip_trace)]
    pub(crate) lease: Lease,
}

#[derive(Trace, JsLifetime)]
#[class(rename = "FormerHolder")]
pub(crate) struct FormerHolderObject {
    #[qjs(skip_trace)]
    pub(crate) holder: FormerHolder,
}

/// A property of a lease, by its name.
#[allow(clippy::needless_pass_by_value)] // The engine gives them away.
pub(crate) fn of_lease<'js>(ctx: Ctx<'js>, object: Class<'js, LeaseObject>, name: String) -> Result<Value<'js>> {
    let lease = &object.borrow().lease;
    match name.as_str() {
        "address" => lease.address().to_string().into_js(&ctx),
        "containerId" => lease.container_id().into_js(&ctx),
        "interfaceName" => lease.interface_name().into_js(&ctx),
        "since" => number(millis(lease.since())).into_js(&ctx),
        "podNamespace" => lease.pod_namespace().into_js(&ctx),
        "podName" => lease.pod_name().into_js(&ctx),
        "reason" => lease.reason().into_js(&ctx),
        _ => Err(Exception::throw_type(&ctx, &format!("no property {name}"))),
    }
}

/// A property of a former holder, by its name.
#[allow(clippy::needless_pass_by_value)] // The engine gives them away.
pub(crate) fn of_former_holder<'js>(
    ctx: Ctx<'js>,
    object: Class<'js, FormerHolderObject>,
    name: String,
) -> Result<Value<'js>> {
    let holder = &object.borrow().holder;
    match name.as_str() {
        "containerId" => holder.container_id().into_js(&ctx),
        "interfaceName" => holder.interface_name().into_js(&ctx),
        "podNamespace" => holder.pod_namespace().into_js(&ctx),
        "podName" => holder.pod_name().into_js(&ctx),
        "freedAt" => number(millis(holder.freed_at())).into_js(&ctx),
        _ => Err(Exception::throw_type(&ctx, &format!("no property {name}"))),
    }
}

#[allow(clippy::cast_precision_loss)] // JavaScript has no better numbers.
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
