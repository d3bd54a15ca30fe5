//! How much a core module is made of, and what its instance costs.

use wasmparser::{CompositeInnerType, DataKind, ElementItems, ElementKind, FunctionBody, Operator, Payload};

use super::{SizeError, damaged, most};
use crate::runtime::TABLE_ELEMENTS;

/// Bounds of all modules together. The largest policies (Python, 18 MB) have about a tenth of each.
const FUNCTIONS: u64 = 200_000;
const GLOBALS: u64 = 100_000;
const LOCALS: u64 = 5_000_000;
const ELEMENTS: u64 = 10 * TABLE_ELEMENTS as u64;
/// Bounds of one function. What the compiler keeps grows with the product of locals and branches.
const FUNCTION_PARAMETERS: u64 = 256;
const FUNCTION_RESULTS: u64 = 32;
const FUNCTION_LOCALS: u64 = 20_000;
const FUNCTION_WORK: u64 = 20_000_000;

/// Bytes in an instance for each import, function and global, and in wasmtime for each element of a segment.
const ITEM_BYTES: u64 = 32;

#[derive(Debug, Default)]
pub(super) struct ModuleSize {
    imports: u64,
    functions: u64,
    globals: u64,
    locals: u64,
    elements: u64,
    data: u64,
}

pub(super) fn check_all(modules: &[ModuleSize]) -> Result<(), SizeError> {
    let sum = |count: fn(&ModuleSize) -> u64| modules.iter().map(count).sum();
    most("core functions", sum(|module| module.functions), FUNCTIONS)?;
    most("globals", sum(|module| module.globals), GLOBALS)?;
    most("locals of core functions", sum(|module| module.locals), LOCALS)?;
    most("elements in segments of tables", sum(|module| module.elements), ELEMENTS)
}

impl ModuleSize {
    /// What the runtime allocates and fills for an instance, linear memories and tables apart.
    pub(super) fn instance_bytes(&self) -> u64 {
        let items = self.imports + self.functions + self.globals + self.elements;
        items.saturating_mul(ITEM_BYTES).saturating_add(self.data)
    }

    pub(super) fn add(&mut self, payload: &Payload<'_>) -> Result<(), SizeError> {
        match payload {
            Payload::TypeSection(types) => {
                for group in types.clone() {
                    for kind in group.map_err(damaged)?.types() {
                        if let CompositeInnerType::Func(function) = &kind.composite_type.inner {
                            most(
                                "parameters of one core function",
                                function.params().len() as u64,
                                FUNCTION_PARAMETERS,
                            )?;
                            most("results of one core function", function.results().len() as u64, FUNCTION_RESULTS)?;
                        }
                    }
                }
            }
            Payload::ImportSection(section) => self.imports += u64::from(section.count()),
            Payload::FunctionSection(section) => self.functions += u64::from(section.count()),
            Payload::GlobalSection(section) => self.globals += u64::from(section.count()),
            Payload::ElementSection(section) => {
                for element in section.clone() {
                    let element = element.map_err(damaged)?;
                    let count = match element.items {
                        ElementItems::Functions(items) => items.count(),
                        ElementItems::Expressions(_, items) => items.count(),
                    };
                    let is_kept = !matches!(element.kind, ElementKind::Declared);
                    self.elements += if is_kept { u64::from(count) } else { 0 };
                }
            }
            Payload::DataSection(section) => {
                for data in section.clone() {
                    let data = data.map_err(damaged)?;
                    let is_copied = matches!(data.kind, DataKind::Active { .. });
                    self.data += if is_copied { data.data.len() as u64 } else { 0 };
                }
            }
            Payload::CodeSectionEntry(body) => self.locals += function(body)?,
            _ => {}
        }
        Ok(())
    }
}

/// Checks one function and counts its locals.
fn function(body: &FunctionBody<'_>) -> Result<u64, SizeError> {
    let mut locals = 0;
    for group in body.get_locals_reader().map_err(damaged)? {
        locals += u64::from(group.map_err(damaged)?.0);
    }
    most("locals of one core function", locals, FUNCTION_LOCALS)?;
    let mut branches = 0;
    for operator in body.get_operators_reader().map_err(damaged)? {
        branches += match operator.map_err(damaged)? {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::Br { .. }
            | Operator::BrIf { .. } => 1,
            Operator::BrTable { targets } => u64::from(targets.len()),
            _ => 0,
        };
    }
    most("branches times locals of one core function", branches.saturating_mul(locals.max(1)), FUNCTION_WORK)?;
    Ok(locals)
}
