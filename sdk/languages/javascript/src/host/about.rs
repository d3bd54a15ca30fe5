//! What a call is about: context, request and events, one function each, by the name of the property.

use std::collections::BTreeMap;

use gingham_sdk::{Adopted, Context, Dns, Ended, Fact, OwnerFact, Request, Requester};
use rquickjs::function::Opt;
use rquickjs::{BigInt, Ctx, Exception, Function, IntoJs, Null, Object, Result, Undefined, Value};
use serde_json::{Value as Json, json};

use super::{json as value_of, optional_address};
use crate::clock::millis;
use crate::lease::number;
use crate::subject;

pub(super) fn add<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("context", Function::new(ctx.clone(), context)?)?;
    host.set("request", Function::new(ctx.clone(), request)?)?;
    host.set("ended", Function::new(ctx.clone(), ended)?)?;
    host.set("adopted", Function::new(ctx.clone(), adopted)?)
}

fn context<'js>(ctx: Ctx<'js>, name: String, key: Opt<String>) -> Result<Value<'js>> {
    let key = key.0.unwrap_or_default();
    let read = |context: &Context| match name.as_str() {
        "networkName" => context.network_name().into_js(&ctx),
        "nodeName" => context.node_name().into_js(&ctx),
        "nodeLabel" => fact(&ctx, context.node_label(&key)),
        "nodeLabels" => labels(&ctx, context.node_labels()),
        _ => unknown(&ctx, &name),
    };
    subject::with(|subject| subject.context.map(read)).flatten().unwrap_or_else(|| over(&ctx))
}

fn request<'js>(ctx: Ctx<'js>, name: String, key: Opt<String>) -> Result<Value<'js>> {
    let key = key.0.unwrap_or_default();
    let read = |request: &Request| {
        of_pod(&ctx, request, &name, &key).unwrap_or_else(|| of_runtime(&ctx, request, &name, &key))
    };
    subject::with(|subject| subject.request.map(read)).flatten().unwrap_or_else(|| over(&ctx))
}

fn of_pod<'js>(ctx: &Ctx<'js>, request: &Request, name: &str, key: &str) -> Option<Result<Value<'js>>> {
    Some(match name {
        "podNamespace" => fact(ctx, request.pod_namespace()),
        "podName" => fact(ctx, request.pod_name()),
        "podUid" => fact(ctx, request.pod_uid()),
        "serviceAccount" => fact(ctx, request.service_account()),
        "owner" => owner(ctx, request.owner()),
        "podLabel" => fact(ctx, request.pod_label(key)),
        "podLabels" => labels(ctx, request.pod_labels()),
        "podAnnotation" => fact(ctx, request.pod_annotation(key)),
        "podAnnotations" => labels(ctx, request.pod_annotations()),
        "namespaceLabel" => fact(ctx, request.namespace_label(key)),
        "namespaceLabels" => labels(ctx, request.namespace_labels()),
        "namespaceAnnotation" => fact(ctx, request.namespace_annotation(key)),
        "namespaceAnnotations" => labels(ctx, request.namespace_annotations()),
        _ => return None,
    })
}

fn of_runtime<'js>(ctx: &Ctx<'js>, request: &Request, name: &str, key: &str) -> Result<Value<'js>> {
    match name {
        "requester" => requester(request.requester()).into_js(ctx),
        "containerId" => request.container_id().into_js(ctx),
        "interfaceName" => request.interface_name().into_js(ctx),
        "cniArg" => or_null(ctx, request.cni_arg(key)),
        "cniArgs" => {
            value_of(ctx, &request.cni_args().into_iter().map(|(key, value)| (key, Json::from(value))).collect())
        }
        "argsLabel" => or_null(ctx, request.args_label(key)),
        "argsLabels" => labels(ctx, Some(request.args_labels())),
        "requestedAddresses" => texts(ctx, request.requested_addresses()),
        "mac" => or_null(ctx, request.mac().map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":"))),
        "resolvConf" => request.resolv_conf().map_or_else(|| Null.into_js(ctx), |dns| value_of(ctx, &dns_of(dns))),
        "now" => number(millis(request.now())).into_js(ctx),
        "seed" => BigInt::from_u64(ctx.clone(), request.seed())?.into_js(ctx),
        _ => unknown(ctx, name),
    }
}

fn ended(ctx: Ctx<'_>, name: String) -> Result<Value<'_>> {
    let read = |ended: &Ended| match name.as_str() {
        "containerId" => ended.container_id().into_js(&ctx),
        "interfaceName" => ended.interface_name().into_js(&ctx),
        "addresses" => texts(&ctx, ended.addresses()),
        "podNamespace" => fact(&ctx, ended.pod_namespace()),
        "podName" => fact(&ctx, ended.pod_name()),
        "now" => number(millis(ended.now())).into_js(&ctx),
        _ => unknown(&ctx, &name),
    };
    subject::with(|subject| subject.ended.map(read)).flatten().unwrap_or_else(|| over(&ctx))
}

fn adopted<'js>(ctx: Ctx<'js>, name: String, after: Opt<String>) -> Result<Value<'js>> {
    let after = optional_address(&ctx, after.0)?;
    let read = |adopted: &Adopted| match name.as_str() {
        "addresses" => texts(&ctx, adopted.addresses(after)),
        "lastReserved" => value_of(&ctx, &last_reserved(adopted)),
        "now" => number(millis(adopted.now())).into_js(&ctx),
        _ => unknown(&ctx, &name),
    };
    subject::with(|subject| subject.adopted.map(read)).flatten().unwrap_or_else(|| over(&ctx))
}

fn last_reserved(adopted: &Adopted) -> Json {
    adopted.last_reserved().into_iter().map(|(set, address)| json!({"rangeSet": set, "address": address})).collect()
}

/// A known fact is its text, an absent one null, an unknown one undefined.
fn fact<'js>(ctx: &Ctx<'js>, fact: Fact) -> Result<Value<'js>> {
    match fact {
        Fact::Known(text) => text.into_js(ctx),
        Fact::Absent => Null.into_js(ctx),
        Fact::Unknown => Undefined.into_js(ctx),
    }
}

fn owner<'js>(ctx: &Ctx<'js>, owner: OwnerFact) -> Result<Value<'js>> {
    match owner {
        OwnerFact::Known(owner) => value_of(ctx, &json!({"kind": owner.kind, "name": owner.name, "uid": owner.uid})),
        OwnerFact::Absent => Null.into_js(ctx),
        OwnerFact::Unknown => Undefined.into_js(ctx),
    }
}

fn labels<'js>(ctx: &Ctx<'js>, labels: Option<BTreeMap<String, String>>) -> Result<Value<'js>> {
    labels.map_or_else(|| Undefined.into_js(ctx), |labels| value_of(ctx, &json!(labels)))
}

fn requester(requester: Requester) -> String {
    match requester {
        Requester::Pod => "pod".to_owned(),
        Requester::Container => "container".to_owned(),
        Requester::Node => "node".to_owned(),
        Requester::Script => "script".to_owned(),
        Requester::DeviceClaim => "device-claim".to_owned(),
        Requester::Other(other) => other,
        _ => "other".to_owned(),
    }
}

fn dns_of(Dns { nameservers, domain, search, options }: Dns) -> Json {
    json!({"nameservers": nameservers, "domain": domain, "search": search, "options": options})
}

fn or_null<'js>(ctx: &Ctx<'js>, text: Option<String>) -> Result<Value<'js>> {
    text.map_or_else(|| Null.into_js(ctx), |text| text.into_js(ctx))
}

fn texts<'js>(ctx: &Ctx<'js>, items: Vec<impl ToString>) -> Result<Value<'js>> {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().into_js(ctx)
}

fn unknown<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Value<'js>> {
    Err(Exception::throw_type(ctx, &format!("no property {name}")))
}

/// Context, request and events live for one call.
fn over<'js>(ctx: &Ctx<'js>) -> Result<Value<'js>> {
    Err(Exception::throw_message(ctx, "this object belongs to a call that is over: read it while its call runs"))
}
