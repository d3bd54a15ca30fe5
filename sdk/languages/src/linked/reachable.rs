//! What the exports of a policy need: nothing else becomes part of the linked module.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{ElementItems, ElementKind, ExternalKind, Operator, TypeRef};

use super::LinkError;
use super::component::{Component, Definition, Place};
use super::module::Origin;

/// By definition, in an order that does not depend on where it was found.
#[derive(Default)]
pub(super) struct Reachable<'a> {
    /// Functions of the host, with an instance that imports them and the index of their type there.
    pub(super) host: BTreeMap<Definition<'a>, (usize, u32)>,
    pub(super) functions: BTreeSet<Place>,
    pub(super) globals: BTreeSet<Place>,
    /// Those of the globals that a function sets.
    pub(super) written: BTreeSet<Place>,
    pub(super) table: Option<Place>,
    pub(super) memory: Option<Place>,
    waiting: Vec<Place>,
}

impl<'a> Reachable<'a> {
    pub(super) fn from(component: &Component<'a>, roots: &[Definition<'a>]) -> Result<Self, LinkError> {
        let mut reachable = Self::default();
        for root in roots {
            match root {
                Definition::Module(place) => reachable.function_at(*place),
                Definition::Host { .. } => {
                    return Err(LinkError::Unexpected { what: "an export of the host's function" });
                }
            }
        }
        while let Some(place) = reachable.waiting.pop() {
            reachable.body(component, place)?;
        }
        Ok(reachable)
    }

    fn function_at(&mut self, place: Place) {
        if self.functions.insert(place) {
            self.waiting.push(place);
        }
    }

    fn function(&mut self, component: &Component<'a>, instance: usize, index: u32) -> Result<(), LinkError> {
        match component.definition(instance, ExternalKind::Func, index)? {
            Definition::Module(place) => self.function_at(place),
            host @ Definition::Host { .. } => {
                self.host.entry(host).or_insert((instance, type_of_import(component, instance, index)?));
            }
        }
        Ok(())
    }

    fn body(&mut self, component: &Component<'a>, Place { instance, index }: Place) -> Result<(), LinkError> {
        let module = component.require_module(instance, "a function of no module")?;
        for operator in module.bodies[index].get_operators_reader()? {
            match operator? {
                Operator::Call { function_index } | Operator::RefFunc { function_index } => {
                    self.function(component, instance, function_index)?;
                }
                Operator::GlobalGet { global_index } => {
                    self.globals.insert(own(component, instance, ExternalKind::Global, global_index)?);
                }
                Operator::GlobalSet { global_index } => {
                    let place = own(component, instance, ExternalKind::Global, global_index)?;
                    self.globals.insert(place);
                    self.written.insert(place);
                }
                Operator::CallIndirect { table_index, .. } => self.table(component, instance, table_index)?,
                Operator::MemoryInit { .. } | Operator::DataDrop { .. } => {
                    return Err(LinkError::Unexpected { what: "data that is copied while it runs" });
                }
                Operator::TableInit { .. } | Operator::ElemDrop { .. } => {
                    return Err(LinkError::Unexpected { what: "elements that are copied while it runs" });
                }
                Operator::TableGet { table }
                | Operator::TableSet { table }
                | Operator::TableSize { table }
                | Operator::TableGrow { table }
                | Operator::TableFill { table } => {
                    self.table(component, instance, table)?;
                }
                _ => {}
            }
        }
        if !module.memories.is_empty() {
            let memory = own(component, instance, ExternalKind::Memory, 0)?;
            if module.memories.len() > 1 || *self.memory.get_or_insert(memory) != memory {
                return Err(LinkError::Unexpected { what: "a second memory" });
            }
        }
        Ok(())
    }

    /// Whoever calls through a table can call all that is in it.
    fn table(&mut self, component: &Component<'a>, instance: usize, index: u32) -> Result<(), LinkError> {
        let table = own(component, instance, ExternalKind::Table, index)?;
        if self.table == Some(table) {
            return Ok(());
        }
        if self.table.replace(table).is_some() {
            return Err(LinkError::Unexpected { what: "a second table" });
        }
        for (instance, module) in component.instances() {
            for element in &module.elements {
                let ElementKind::Active { table_index, .. } = element.kind else {
                    return Err(LinkError::Unexpected { what: "elements of no table" });
                };
                if own(component, instance, ExternalKind::Table, table_index.unwrap_or(0))? != table {
                    continue;
                }
                let ElementItems::Functions(functions) = element.items.clone() else {
                    return Err(LinkError::Unexpected { what: "elements that are expressions" });
                };
                for function in functions {
                    self.function(component, instance, function?)?;
                }
            }
        }
        Ok(())
    }
}

fn type_of_import(component: &Component<'_>, instance: usize, index: u32) -> Result<u32, LinkError> {
    let module = component.require_module(instance, "a function of no module")?;
    match module.functions.get(index as usize) {
        Some(Origin::Import(number)) => match module.imports[*number].ty {
            TypeRef::Func(ty) => Ok(ty),
            _ => Err(LinkError::Unexpected { what: "an import that is no function" }),
        },
        _ => Err(LinkError::Unexpected { what: "an import without a type" }),
    }
}

/// What only modules define.
pub(super) fn own(
    component: &Component<'_>,
    instance: usize,
    kind: ExternalKind,
    index: u32,
) -> Result<Place, LinkError> {
    match component.definition(instance, kind, index)? {
        Definition::Module(place) => Ok(place),
        Definition::Host { .. } => Err(LinkError::Unexpected { what: "a global, table or memory of the host" }),
    }
}
