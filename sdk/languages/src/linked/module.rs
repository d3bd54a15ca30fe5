//! A core module, read as far as it takes part in linking.

use std::collections::HashMap;

use wasmparser::{
    Data, Element, ExternalKind, FuncType, FunctionBody, Global, Import, KnownCustom, MemoryType, Name,
    NameSectionReader, Parser, Payload, TableType, TypeRef,
};

use super::LinkError;

/// Where an item of an index space comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// The import of this number.
    Import(usize),
    /// The definition of this number.
    Own(usize),
}

#[derive(Default)]
pub(super) struct CoreModule<'a> {
    pub(super) types: Vec<FuncType>,
    pub(super) imports: Vec<Import<'a>>,
    pub(super) functions: Vec<Origin>,
    pub(super) globals: Vec<Origin>,
    pub(super) tables: Vec<Origin>,
    pub(super) memories: Vec<Origin>,
    /// The type of each function of its own.
    pub(super) signatures: Vec<u32>,
    pub(super) bodies: Vec<FunctionBody<'a>>,
    pub(super) own_globals: Vec<Global<'a>>,
    pub(super) own_tables: Vec<TableType>,
    pub(super) own_memories: Vec<MemoryType>,
    pub(super) exports: HashMap<&'a str, (ExternalKind, u32)>,
    pub(super) elements: Vec<Element<'a>>,
    pub(super) data: Vec<Data<'a>>,
    /// Of functions.
    pub(super) names: HashMap<u32, &'a str>,
}

impl<'a> CoreModule<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, LinkError> {
        let mut module = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            module.take(payload?)?;
        }
        Ok(module)
    }

    fn take(&mut self, payload: Payload<'a>) -> Result<(), LinkError> {
        match payload {
            Payload::TypeSection(types) => {
                self.types = types.into_iter_err_on_gc_types().collect::<Result<_, _>>()?;
            }
            Payload::ImportSection(imports) => imports.into_imports().try_for_each(|import| self.import(import?))?,
            Payload::FunctionSection(types) => {
                self.signatures = types.into_iter().collect::<Result<_, _>>()?;
                self.functions.extend((0..self.signatures.len()).map(Origin::Own));
            }
            Payload::TableSection(tables) => {
                self.own_tables = tables.into_iter().map(|table| Ok(table?.ty)).collect::<Result<_, LinkError>>()?;
                self.tables.extend((0..self.own_tables.len()).map(Origin::Own));
            }
            Payload::MemorySection(memories) => {
                self.own_memories = memories.into_iter().collect::<Result<_, _>>()?;
                self.memories.extend((0..self.own_memories.len()).map(Origin::Own));
            }
            Payload::GlobalSection(globals) => {
                self.own_globals = globals.into_iter().collect::<Result<_, _>>()?;
                self.globals.extend((0..self.own_globals.len()).map(Origin::Own));
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    self.exports.insert(export.name, (export.kind, export.index));
                }
            }
            Payload::StartSection { .. } => {
                return Err(LinkError::Unexpected { what: "a module with a start function" });
            }
            Payload::ElementSection(elements) => self.elements = elements.into_iter().collect::<Result<_, _>>()?,
            Payload::DataSection(data) => self.data = data.into_iter().collect::<Result<_, _>>()?,
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    self.names = function_names(names);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, import: Import<'a>) -> Result<(), LinkError> {
        let origin = Origin::Import(self.imports.len());
        match import.ty {
            TypeRef::Func(_) => self.functions.push(origin),
            TypeRef::Global(_) => self.globals.push(origin),
            TypeRef::Table(_) => self.tables.push(origin),
            TypeRef::Memory(_) => self.memories.push(origin),
            _ => return Err(LinkError::Unexpected { what: "an import that is no function, global, table or memory" }),
        }
        self.imports.push(import);
        Ok(())
    }

    pub(super) fn space(&self, kind: ExternalKind) -> &[Origin] {
        match kind {
            ExternalKind::Func => &self.functions,
            ExternalKind::Global => &self.globals,
            ExternalKind::Table => &self.tables,
            ExternalKind::Memory => &self.memories,
            _ => &[],
        }
    }
}

/// Names are for backtraces: those that cannot be read are left out.
fn function_names(names: NameSectionReader<'_>) -> HashMap<u32, &str> {
    let maps = names.into_iter().map_while(Result::ok).filter_map(|name| match name {
        Name::Function(map) => Some(map),
        _ => None,
    });
    maps.flatten().map_while(Result::ok).map(|naming| (naming.index, naming.name)).collect()
}
