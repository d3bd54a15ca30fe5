//! The module that all of them become.

use std::collections::HashMap;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ElementSection, Elements, EntityType, ExportKind, ExportSection,
    FunctionSection, GlobalSection, ImportSection, Instruction, MemorySection, Module, NameMap, NameSection,
    TableSection, TypeSection,
};
use wasmparser::{DataKind, ElementItems, ElementKind, ExternalKind, FuncType, Operator};

use super::LinkError;
use super::component::{Component, Definition, Place};
use super::memory::Memory;
use super::reachable::{Reachable, own};

/// A global in the linked module.
#[derive(Debug, Clone, Copy)]
enum Global {
    Variable(u32),
    /// Nothing sets it: its value takes its place.
    Constant(i32),
}

/// What every index means in the linked module.
pub(super) struct Linked<'a, 'c> {
    component: &'c Component<'a>,
    reachable: &'c Reachable<'a>,
    functions: HashMap<Definition<'a>, u32>,
    globals: HashMap<Place, Global>,
    types: HashMap<FuncType, u32>,
    ordered: Vec<FuncType>,
}

impl<'a, 'c> Linked<'a, 'c> {
    pub(super) fn new(component: &'c Component<'a>, reachable: &'c Reachable<'a>) -> Result<Self, LinkError> {
        let own = reachable.functions.iter().map(|place| Definition::Module(*place));
        let functions = reachable.host.keys().copied().chain(own).zip(0..).collect();
        let mut globals = HashMap::new();
        for place in &reachable.globals {
            let global = if reachable.written.contains(place) {
                Global::Variable(u32::try_from(reachable.written.range(..place).count()).unwrap_or(u32::MAX))
            } else {
                Global::Constant(initial(component, *place)?)
            };
            globals.insert(*place, global);
        }
        Ok(Self { component, reachable, functions, globals, types: HashMap::new(), ordered: Vec::new() })
    }

    /// Exports by name.
    pub(super) fn encode(mut self, exports: &[(&str, Definition<'a>)]) -> Result<Module, LinkError> {
        let imports = self.imports()?;
        let (functions, code) = self.code()?;
        let mut types = TypeSection::new();
        for ty in &self.ordered {
            types.ty().func_type(&reencode::RoundtripReencoder.func_type(ty.clone())?);
        }
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions);
        module.section(&self.tables()?).section(&self.memories()?).section(&self.globals()?);
        module.section(&self.exports(exports)?).section(&self.elements()?).section(&code).section(&self.data()?);
        module.section(&self.names());
        Ok(module)
    }

    fn imports(&mut self) -> Result<ImportSection, LinkError> {
        let mut imports = ImportSection::new();
        for (host, (instance, ty)) in &self.reachable.host {
            if let Definition::Host { interface, function } = host {
                imports.import(interface, function, EntityType::Function(self.type_of(*instance, *ty)?));
            }
        }
        Ok(imports)
    }

    fn code(&mut self) -> Result<(FunctionSection, CodeSection), LinkError> {
        let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
        for Place { instance, index } in self.reachable.functions.iter().copied() {
            let component = self.component;
            let module = component.require_module(instance, "a function of no module")?;
            functions.function(self.type_of(instance, module.signatures[index])?);
            Body { linked: self, instance }.parse_function_body(&mut code, module.bodies[index].clone())?;
        }
        Ok((functions, code))
    }

    fn tables(&self) -> Result<TableSection, LinkError> {
        let mut tables = TableSection::new();
        if let Some(Place { instance, index }) = self.reachable.table {
            let module = self.component.require_module(instance, "a table of no module")?;
            tables.table(reencode::RoundtripReencoder.table_type(module.own_tables[index])?);
        }
        Ok(tables)
    }

    fn memories(&self) -> Result<MemorySection, LinkError> {
        let mut memories = MemorySection::new();
        if let Some(Place { instance, index }) = self.reachable.memory {
            let module = self.component.require_module(instance, "a memory of no module")?;
            memories.memory(reencode::RoundtripReencoder.memory_type(module.own_memories[index])?);
        }
        Ok(memories)
    }

    fn globals(&self) -> Result<GlobalSection, LinkError> {
        let mut globals = GlobalSection::new();
        for place in &self.reachable.written {
            let module = self.component.require_module(place.instance, "a global of no module")?;
            let ty = reencode::RoundtripReencoder.global_type(module.own_globals[place.index].ty)?;
            globals.global(ty, &ConstExpr::i32_const(initial(self.component, *place)?));
        }
        Ok(globals)
    }

    fn exports(&self, exports: &[(&str, Definition<'a>)]) -> Result<ExportSection, LinkError> {
        let mut section = ExportSection::new();
        for (name, definition) in exports {
            let index = self.functions.get(definition).ok_or(LinkError::Unexpected { what: "an export of nothing" })?;
            section.export(name, ExportKind::Func, *index);
        }
        section.export("memory", ExportKind::Memory, 0);
        Ok(section)
    }

    fn elements(&self) -> Result<ElementSection, LinkError> {
        let mut section = ElementSection::new();
        let Some(table) = self.reachable.table else { return Ok(section) };
        for (instance, module) in self.component.instances() {
            for element in &module.elements {
                let ElementKind::Active { table_index, offset_expr } = &element.kind else { continue };
                if own(self.component, instance, ExternalKind::Table, table_index.unwrap_or(0))? != table {
                    continue;
                }
                let offset = ConstExpr::i32_const(value(self.component, instance, offset_expr)?);
                let ElementItems::Functions(functions) = element.items.clone() else { continue };
                let indices = functions.into_iter().map(|index| self.function(instance, index?));
                let indices = indices.collect::<Result<Vec<u32>, LinkError>>()?;
                section.active(None, &offset, Elements::Functions(indices.into()));
            }
        }
        Ok(section)
    }

    fn data(&self) -> Result<DataSection, LinkError> {
        let mut memory = Memory::default();
        for (instance, module) in self.component.instances() {
            for data in &module.data {
                let DataKind::Active { memory_index, offset_expr } = &data.kind else {
                    return Err(LinkError::Unexpected { what: "data of no memory" });
                };
                let place = own(self.component, instance, ExternalKind::Memory, *memory_index)?;
                if Some(place) == self.reachable.memory {
                    memory.add(value(self.component, instance, offset_expr)?.cast_unsigned(), data.data);
                }
            }
        }
        memory.make_immortal()?;
        let mut section = DataSection::new();
        for (address, bytes) in memory.segments() {
            section.active(0, &ConstExpr::i32_const(address.cast_signed()), bytes.iter().copied());
        }
        Ok(section)
    }

    /// For the functions that a fault shows.
    fn names(&self) -> NameSection {
        let imported = self.reachable.host.len();
        let mut names = NameMap::new();
        for (index, place) in (imported..).zip(&self.reachable.functions) {
            let Some(module) = self.component.module(place.instance) else { continue };
            let own = module.functions.len() - module.signatures.len() + place.index;
            let name = u32::try_from(own).ok().and_then(|own| module.names.get(&own));
            if let (Some(name), Ok(index)) = (name, u32::try_from(index)) {
                names.append(index, name);
            }
        }
        let mut section = NameSection::new();
        section.functions(&names);
        section
    }

    fn function(&self, instance: usize, index: u32) -> Result<u32, LinkError> {
        let definition = self.component.definition(instance, ExternalKind::Func, index)?;
        self.functions.get(&definition).copied().ok_or(LinkError::Unexpected { what: "a call of nothing" })
    }

    fn type_of(&mut self, instance: usize, index: u32) -> Result<u32, LinkError> {
        let module = self.component.require_module(instance, "a type of no module")?;
        let ty = module.types.get(index as usize).ok_or(LinkError::Unexpected { what: "an index of nothing" })?;
        let next = u32::try_from(self.ordered.len()).unwrap_or(u32::MAX);
        Ok(*self.types.entry(ty.clone()).or_insert_with(|| {
            self.ordered.push(ty.clone());
            next
        }))
    }
}

/// The body of a function of one instance, on its way into the linked module.
struct Body<'l, 'a, 'c> {
    linked: &'l mut Linked<'a, 'c>,
    instance: usize,
}

impl Body<'_, '_, '_> {
    fn global(&self, index: u32) -> Result<Global, LinkError> {
        let place = own(self.linked.component, self.instance, ExternalKind::Global, index)?;
        self.linked.globals.get(&place).copied().ok_or(LinkError::Unexpected { what: "a global of nothing" })
    }
}

impl Reencode for Body<'_, '_, '_> {
    type Error = LinkError;

    fn function_index(&mut self, index: u32) -> Result<u32, reencode::Error<LinkError>> {
        self.linked.function(self.instance, index).map_err(reencode::Error::UserError)
    }

    fn type_index(&mut self, index: u32) -> Result<u32, reencode::Error<LinkError>> {
        self.linked.type_of(self.instance, index).map_err(reencode::Error::UserError)
    }

    fn global_index(&mut self, index: u32) -> Result<u32, reencode::Error<LinkError>> {
        match self.global(index).map_err(reencode::Error::UserError)? {
            Global::Variable(index) => Ok(index),
            Global::Constant(_) => {
                Err(reencode::Error::UserError(LinkError::Unexpected { what: "a constant that is set" }))
            }
        }
    }

    // There is one of each.
    fn table_index(&mut self, _: u32) -> Result<u32, reencode::Error<LinkError>> {
        Ok(0)
    }

    fn memory_index(&mut self, _: u32) -> Result<u32, reencode::Error<LinkError>> {
        Ok(0)
    }

    fn instruction<'o>(&mut self, operator: Operator<'o>) -> Result<Instruction<'o>, reencode::Error<LinkError>> {
        if let Operator::GlobalGet { global_index } = operator
            && let Global::Constant(value) = self.global(global_index).map_err(reencode::Error::UserError)?
        {
            return Ok(Instruction::I32Const(value));
        }
        reencode::utils::instruction(self, operator)
    }
}

/// The value that a global begins with.
fn initial(component: &Component<'_>, place: Place) -> Result<i32, LinkError> {
    let module = component.require_module(place.instance, "a global of no module")?;
    value(component, place.instance, &module.own_globals[place.index].init_expr)
}

fn value(component: &Component<'_>, instance: usize, expression: &wasmparser::ConstExpr<'_>) -> Result<i32, LinkError> {
    let mut stack: Vec<i32> = Vec::new();
    for operator in expression.get_operators_reader() {
        match operator? {
            Operator::I32Const { value } => stack.push(value),
            Operator::GlobalGet { global_index } => {
                let place = own(component, instance, ExternalKind::Global, global_index)?;
                stack.push(initial(component, place)?);
            }
            Operator::I32Add => {
                let (one, other) = (stack.pop().unwrap_or_default(), stack.pop().unwrap_or_default());
                stack.push(one.wrapping_add(other));
            }
            Operator::End => {}
            _ => return Err(LinkError::Unexpected { what: "a constant that is no 32-bit number" }),
        }
    }
    stack.pop().ok_or(LinkError::Unexpected { what: "a constant without a value" })
}
