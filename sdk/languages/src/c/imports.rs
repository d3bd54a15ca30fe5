//! What of the C library a policy cannot use.

use wasmparser::{Parser, Payload};

use crate::ToolchainError;

const WASI: &str = "wasi_snapshot_preview1";

/// By a function of WASI: the C functions that call it, and what to do instead.
const ADVICE: [(&str, &str); 5] = [
    ("clock_", "a policy has no clock: time(), clock() and clock_gettime() are not available; use the request's `now`"),
    ("random_get", "a policy has no randomness: getentropy() is not available; use gingham_random"),
    ("environ_", "a policy has no environment: getenv() is not available; use the configuration"),
    ("path_", "a policy has no files: fopen(), open() and stat() are not available; use the configuration or `state`"),
    ("sock_", "a policy has no network: sockets are not available"),
];

/// A policy imports the contract alone. What else the module wants is listed, each with what to do.
pub(super) fn refuse_foreign(module: &[u8]) -> Result<(), ToolchainError> {
    let mut functions = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let Ok(Payload::ImportSection(section)) = payload else { continue };
        let names = section.into_imports().flatten().filter(|import| import.module == WASI);
        functions.extend(names.map(|import| import.name.to_owned()));
    }
    if functions.is_empty() { Ok(()) } else { Err(ToolchainError::Wasi { advice: advice(&functions) }) }
}

fn advice(functions: &[String]) -> String {
    let known: Vec<&str> = ADVICE
        .iter()
        .filter(|(prefix, _)| functions.iter().any(|function| function.starts_with(prefix)))
        .map(|(_, sentence)| *sentence)
        .collect();
    match known.is_empty() {
        true => format!("a policy cannot call the system: the C library wants {}", functions.join(", ")),
        false => known.join("\n"),
    }
}
