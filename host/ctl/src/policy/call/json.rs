//! What came of a request, as JSON.

use gingham_workbench::cases::RefusalKind;
use gingham_workbench::report::route_text;
use serde_json::{Value, json};

use super::Called;

pub(super) fn of(called: &Called) -> Value {
    let run = &called.run;
    let answer = run.result.as_ref().ok().map(|result| &result.answer);
    let error = run.result.as_ref().err();
    let addresses = answer.iter().flat_map(|answer| &answer.addresses);
    let addresses = addresses.map(|assigned| json!({"address": assigned.address, "gateway": assigned.gateway}));
    let routes = answer.iter().flat_map(|answer| &answer.routes).map(route_text);
    let log = run
        .log
        .iter()
        .map(|line| json!({"level": format!("{:?}", line.level).to_lowercase(), "message": line.message}));
    let usage = run.usage();
    json!({
        "granted": answer.is_some(),
        "addresses": addresses.collect::<Vec<_>>(),
        "routes": routes.collect::<Vec<_>>(),
        "dns": answer.and_then(|answer| answer.dns.as_ref()).map(|dns| json!({
            "nameservers": dns.nameservers, "domain": dns.domain, "search": dns.search, "options": dns.options,
        })),
        "reason": answer.and_then(|answer| answer.reason.as_ref()),
        "error": error.map(ToString::to_string),
        "refused": error.and_then(RefusalKind::of).map(|kind| kind.to_string()),
        "log": log.collect::<Vec<_>>(),
        "notes": called.unknown_keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "calls": calls(called),
        "fuel": usage.fuel,
        "fuelLimit": called.scenario.settings().limits.fuel,
        "hostCalls": usage.host_calls,
        "memory": usage.memory,
        "deterministic": run.difference.is_none(),
        "trace": trace(called),
    })
}

fn calls(called: &Called) -> Vec<Value> {
    let call = |call: &gingham_engine::runtime::ExportCall| {
        json!({
            "export": call.export,
            "fuel": call.usage.fuel,
            "hostCalls": call.usage.host_calls,
            "memory": call.usage.memory,
            "milliseconds": call.elapsed.as_secs_f64() * 1e3,
            "trapped": call.trapped,
        })
    };
    called.run.calls.iter().map(call).collect()
}

fn trace(called: &Called) -> Vec<Value> {
    let traced = called.run.trace.iter().map(|traced| {
        json!({
            "export": traced.export,
            "function": traced.call.function,
            "arguments": traced.call.arguments,
            "result": traced.call.result.as_ref().ok(),
            "error": traced.call.result.as_ref().err(),
        })
    });
    traced.collect()
}
