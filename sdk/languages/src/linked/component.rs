//! The modules of a component, and which of them get what from which.

use std::collections::HashMap;

use wasmparser::{CanonicalFunction, ComponentAlias, ExternalKind, Instance, Parser, Payload};

use super::module::{CoreModule, Origin};
use super::{INTERFACES, LinkError};

/// An item of a module: a function, global, table or memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) instance: usize,
    /// Among those that the module defines itself.
    pub(super) index: usize,
}

/// Who defines what a module uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Definition<'a> {
    Module(Place),
    /// The host's function, as the contract names it.
    Host {
        interface: &'a str,
        function: &'a str,
    },
}

enum CoreInstance<'a> {
    Module { module: usize, arguments: HashMap<&'a str, usize> },
    Exports(HashMap<&'a str, (ExternalKind, u32)>),
}

/// An item of a core index space: an export of an instance, or nothing if the component model makes it.
type Item<'a> = Option<(usize, &'a str)>;

pub(super) struct Component<'a> {
    modules: Vec<CoreModule<'a>>,
    instances: Vec<CoreInstance<'a>>,
    functions: Vec<Item<'a>>,
    globals: Vec<Item<'a>>,
    tables: Vec<Item<'a>>,
    memories: Vec<Item<'a>>,
    shim: Option<Shim>,
}

/// Modules that start early call those that start later through a table of this instance. Another one fills it.
struct Shim {
    instance: usize,
    /// By the names under which the shim exports its functions, the functions that they call.
    targets: usize,
}

/// The name of the shim's table, in wit-component.
const SHIM_TABLE: &str = "$imports";

impl<'a> Component<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, LinkError> {
        let (modules, instances) = (Vec::new(), Vec::new());
        let [functions, globals, tables, memories] = [const { Vec::new() }; 4];
        let mut component = Self { modules, instances, functions, globals, tables, memories, shim: None };
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ModuleSection { unchecked_range, .. } if depth == 1 => {
                    component.modules.push(CoreModule::read(&bytes[unchecked_range])?);
                }
                payload if depth == 1 => component.take(payload)?,
                _ => {}
            }
        }
        component.shim = component.find_shim();
        Ok(component)
    }

    fn find_shim(&self) -> Option<Shim> {
        self.instances.iter().find_map(|instance| {
            let CoreInstance::Module { module, arguments } = instance else { return None };
            let import = self.modules[*module].imports.iter().find(|import| import.name == SHIM_TABLE)?;
            let targets = *arguments.get(import.module)?;
            let CoreInstance::Exports(exports) = self.instances.get(targets)? else { return None };
            let (_, table) = exports.get(SHIM_TABLE)?;
            let (instance, _) = (*self.tables.get(*table as usize)?)?;
            Some(Shim { instance, targets })
        })
    }

    fn take(&mut self, payload: Payload<'a>) -> Result<(), LinkError> {
        match payload {
            Payload::InstanceSection(instances) => {
                for instance in instances {
                    self.instances.push(core_instance(instance?));
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases {
                    if let ComponentAlias::CoreInstanceExport { kind, instance_index, name } = alias? {
                        self.space(kind)?.push(Some((instance_index as usize, name)));
                    }
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                for function in functions {
                    if !matches!(function?, CanonicalFunction::Lift { .. }) {
                        self.functions.push(None);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn space(&mut self, kind: ExternalKind) -> Result<&mut Vec<Item<'a>>, LinkError> {
        Ok(match kind {
            ExternalKind::Func => &mut self.functions,
            ExternalKind::Global => &mut self.globals,
            ExternalKind::Table => &mut self.tables,
            ExternalKind::Memory => &mut self.memories,
            _ => return Err(LinkError::Unexpected { what: "an alias that is no function, global, table or memory" }),
        })
    }

    /// The instances that are modules, in the order in which they start.
    pub(super) fn instances(&self) -> impl Iterator<Item = (usize, &CoreModule<'a>)> {
        (0..self.instances.len()).filter_map(|instance| Some((instance, self.module(instance)?)))
    }

    /// `what` is named where the instance is not one of a module.
    pub(super) fn require_module(&self, instance: usize, what: &'static str) -> Result<&CoreModule<'a>, LinkError> {
        self.module(instance).ok_or(LinkError::Unexpected { what })
    }

    pub(super) fn module(&self, instance: usize) -> Option<&CoreModule<'a>> {
        match self.instances.get(instance)? {
            CoreInstance::Module { module, .. } => self.modules.get(*module),
            CoreInstance::Exports(_) => None,
        }
    }

    /// What an index means in a module.
    pub(super) fn definition(
        &self,
        instance: usize,
        kind: ExternalKind,
        index: u32,
    ) -> Result<Definition<'a>, LinkError> {
        let module = self.module(instance).ok_or(LinkError::Unexpected { what: "an instance of no module" })?;
        match module.space(kind).get(index as usize) {
            Some(Origin::Own(index)) => Ok(Definition::Module(Place { instance, index: *index })),
            Some(Origin::Import(number)) => {
                let import = &module.imports[*number];
                if import.module.starts_with(INTERFACES) {
                    return Ok(Definition::Host { interface: import.module, function: import.name });
                }
                let CoreInstance::Module { arguments, .. } = &self.instances[instance] else {
                    return Err(LinkError::Unexpected { what: "an import of no module" });
                };
                let missing = || LinkError::Missing { module: import.module.to_owned(), name: import.name.to_owned() };
                let from = arguments.get(import.module).ok_or_else(missing)?;
                self.export(*from, import.name)?.ok_or_else(missing)
            }
            None => Err(LinkError::Unexpected { what: "an index of nothing" }),
        }
    }

    fn export(&self, instance: usize, name: &str) -> Result<Option<Definition<'a>>, LinkError> {
        let instance = match &self.shim {
            Some(shim) if shim.instance == instance && name != SHIM_TABLE => shim.targets,
            _ => instance,
        };
        match self.instances.get(instance) {
            Some(CoreInstance::Module { module, .. }) => match self.modules[*module].exports.get(name) {
                Some((kind, index)) => self.definition(instance, *kind, *index).map(Some),
                None => Ok(None),
            },
            Some(CoreInstance::Exports(exports)) => {
                let Some((kind, index)) = exports.get(name) else { return Ok(None) };
                let space = match kind {
                    ExternalKind::Func => &self.functions,
                    ExternalKind::Global => &self.globals,
                    ExternalKind::Table => &self.tables,
                    _ => &self.memories,
                };
                match space.get(*index as usize) {
                    Some(Some((instance, name))) => self.export(*instance, name),
                    _ => Ok(None),
                }
            }
            None => Ok(None),
        }
    }
}

fn core_instance(instance: Instance<'_>) -> CoreInstance<'_> {
    match instance {
        Instance::Instantiate { module_index, args } => {
            let arguments = args.iter().map(|argument| (argument.name, argument.index as usize)).collect();
            CoreInstance::Module { module: module_index as usize, arguments }
        }
        Instance::FromExports(exports) => {
            let exports = exports.iter().map(|export| (export.name, (export.kind, export.index)));
            CoreInstance::Exports(exports.collect())
        }
    }
}
