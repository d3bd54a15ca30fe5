//! What came of a request, for people.

use std::io;

use gingham_engine::ipam::IpamResult;
use gingham_workbench::cases::RefusalKind;
use gingham_workbench::report::{level, request_line, route_text};

use super::{Called, bytes};
use crate::output::Output;
use crate::table::{count, size};

pub(super) fn show(called: &Called, out: &mut Output) -> io::Result<()> {
    writeln!(out, "{}", request_line(&called.request))?;
    match &called.run.result {
        Ok(result) => show_result(result, out)?,
        Err(error) => {
            // A crash, and an answer that no node accepts, are no refusals.
            let what = if RefusalKind::of(error).is_some() { "refused" } else { "failed" };
            writeln!(out, "  {what:<9} {error}")?;
        }
    }
    show_cost(called, out)?;
    for key in &called.unknown_keys {
        writeln!(out, "  note      {key}")?;
    }
    for line in &called.run.log {
        writeln!(out, "  log       {}: {}", level(line), line.message)?;
    }
    if let Some(difference) = &called.run.difference {
        writeln!(out, "  again     {difference}")?;
    }
    show_trace(called, out)
}

fn show_result(result: &IpamResult, out: &mut Output) -> io::Result<()> {
    let answer = &result.answer;
    for assigned in &answer.addresses {
        let gateway = assigned.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
        writeln!(out, "  address   {}{gateway}", assigned.address)?;
    }
    for route in &answer.routes {
        writeln!(out, "  route     {}", route_text(route))?;
    }
    if let Some(dns) = &answer.dns {
        writeln!(out, "  dns       {}", dns.nameservers.join(" "))?;
    }
    answer.reason.as_ref().map_or(Ok(()), |reason| writeln!(out, "  why       {reason}"))
}

fn show_cost(called: &Called, out: &mut Output) -> io::Result<()> {
    let (usage, limits) = (called.run.usage(), called.scenario.settings().limits);
    let of_calls = called.run.calls.iter().map(|call| format!("{} {}", call.export, count(call.usage.fuel)));
    let of_calls = of_calls.collect::<Vec<_>>().join(", ");
    // Each call of an export has the whole of the fuel.
    writeln!(out, "  fuel      {} ({of_calls}), at most {} a call", count(usage.fuel), count(limits.fuel))?;
    writeln!(out, "  calls     {} of {} host calls", count(usage.host_calls), count(limits.host_calls))?;
    writeln!(out, "  memory    {} of {}", size(usage.memory as u64), size(limits.memory as u64))?;
    let elapsed: f64 = called.run.calls.iter().map(|call| call.elapsed.as_secs_f64() * 1e3).sum();
    writeln!(out, "  time      {elapsed:.2} ms")
}

fn show_trace(called: &Called, out: &mut Output) -> io::Result<()> {
    let mut export = "";
    for traced in &called.run.trace {
        if traced.export != export {
            export = traced.export;
            writeln!(out, "{export}")?;
        }
        let call = &traced.call;
        let result = match &call.result {
            Ok(result) if result.is_empty() => String::new(),
            Ok(result) => format!(" -> {}", bytes::in_words(result)),
            Err(error) => format!(" failed: {error}"),
        };
        writeln!(out, "  {}({}){result}", call.function, bytes::in_words(&call.arguments.join(", ")))?;
    }
    Ok(())
}
