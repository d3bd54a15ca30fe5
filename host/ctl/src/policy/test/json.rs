//! What came of all cases, as JSON.

use gingham_workbench::cases::CaseOutcome;
use serde_json::{Map, Value, json};

use super::results::Results;

pub(super) fn of(results: &Results) -> Value {
    let of_file = |file: &super::results::FileResult| -> Vec<Value> {
        let path = file.path.display().to_string();
        match &file.cases {
            Ok(outcomes) => outcomes.iter().map(|outcome| of_case(&path, outcome)).collect(),
            Err((line, message)) => vec![json!({"file": path, "line": line, "error": message, "passed": false})],
        }
    };
    let cases: Vec<Value> = results.files.iter().flat_map(of_file).collect();
    json!({"passed": results.passed(), "failed": results.failed(), "cases": cases})
}

fn of_case(path: &str, outcome: &CaseOutcome) -> Value {
    let failure = outcome.failure.as_ref().map(|failure| {
        let mismatch = |it: &gingham_workbench::cases::Mismatch| {
            json!({"what": it.what, "expected": it.expected, "got": it.got})
        };
        let mismatches: Vec<Value> = failure.mismatches.iter().map(mismatch).collect();
        let report: Vec<Value> = failure.report.iter().map(|(name, value)| json!([name, value])).collect();
        json!({"step": failure.step, "line": failure.line, "action": failure.action, "mismatches": mismatches, "report": report})
    });
    let mut case = Map::new();
    let mut set = |key: &str, value: Value| case.insert(key.to_owned(), value);
    set("file", path.into());
    set("line", outcome.line.into());
    set("name", outcome.name.as_str().into());
    set("passed", outcome.failure.is_none().into());
    set("steps", outcome.steps.into());
    set("fuel", outcome.usage.fuel.into());
    set("hostCalls", outcome.usage.host_calls.into());
    set("memory", outcome.usage.memory.into());
    set("milliseconds", (outcome.elapsed.as_secs_f64() * 1000.0).into());
    set("notes", outcome.unknown_keys.iter().map(ToString::to_string).collect());
    set("failure", failure.into());
    Value::Object(case)
}
