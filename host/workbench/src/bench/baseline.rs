//! A bench beside an earlier one: fuel is exact, so any more of it is a change of the policy.

use super::Bench;

/// Two benches that cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    #[error(
        "the saved bench counts fuel as wasmtime {saved} does, and this is wasmtime {current}: fuel of two versions cannot \
         be compared; save it again with --save"
    )]
    Wasmtime { saved: String, current: String },
    #[error("the saved bench is of another configuration ({saved}); save it again with --save")]
    Configuration { saved: String },
    #[error("the saved bench measured {situation}, and this one did not: {note}")]
    Missing { situation: String, note: String },
}

/// An export that needs more fuel than it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regression {
    pub situation: String,
    pub export: String,
    pub saved: u64,
    pub current: u64,
}

/// What needs more fuel than in the saved bench.
pub fn regressions(saved: &Bench, current: &Bench) -> Result<Vec<Regression>, BaselineError> {
    if saved.wasmtime != current.wasmtime {
        let (saved, current) = (saved.wasmtime.clone(), current.wasmtime.clone());
        return Err(BaselineError::Wasmtime { saved, current });
    }
    if saved.config != current.config {
        return Err(BaselineError::Configuration { saved: saved.config.clone() });
    }
    let mut found = Vec::new();
    for before in saved.situations.iter().filter(|situation| !situation.exports.is_empty()) {
        let missing = |note: &str| BaselineError::Missing { situation: before.name.clone(), note: note.to_owned() };
        let now = current.situations.iter().find(|situation| situation.name == before.name);
        let now = now.ok_or_else(|| missing("it has no such situation"))?;
        for (export, cost) in &before.exports {
            let note = || missing(now.note.as_deref().unwrap_or("the export was not called"));
            let current = now.exports.get(export).ok_or_else(note)?.fuel;
            if current > cost.fuel {
                let (situation, export) = (before.name.clone(), export.clone());
                found.push(Regression { situation, export, saved: cost.fuel, current });
            }
        }
    }
    Ok(found)
}
