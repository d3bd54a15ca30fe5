//! How much a component is made of, counted before it is compiled: a few kilobytes can describe gigabytes.

mod module;

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind, ComponentType, ComponentTypeDeclaration,
    ComponentTypeRef, Encoding, Instance, InstanceTypeDeclaration, Parser, Payload,
};

use crate::runtime::INSTANCES;
use module::ModuleSize;

/// Types, imports, exports, aliases and functions of the component itself. The contract has some hundred; a Python policy
/// links its libraries by some thousand.
const ITEMS: u64 = 50_000;

/// Bytes that the runtime allocates for all instances, linear memories and tables apart.
const MOST_INSTANCE_BYTES: u64 = 256 << 20;

/// A component that would cost too much to compile or to start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    #[error("it has {count} {what}, and {most} is the most a policy may have: build it from fewer or smaller modules")]
    TooMany { what: &'static str, count: u64, most: u64 },
    #[error(
        "it is composed of several components, which this version does not run: build it as one component, without \
         `wac plug`, `wasm-tools compose` or stubs that are components of their own"
    )]
    Composed,
    /// Not whole.
    #[error("it is damaged: {reason}")]
    Damaged { reason: String },
}

/// What is counted of the whole component.
#[derive(Default)]
struct ComponentSize {
    /// The kinds of what is being read, the outermost first.
    open: Vec<Encoding>,
    modules: Vec<ModuleSize>,
    items: u64,
    /// Instances of nested components.
    shells: u64,
    instances: u64,
    instance_bytes: u64,
}

/// Refuses a component that is too large for a policy.
///
/// # Errors
/// [`SizeError`]
pub(crate) fn check(component: &[u8]) -> Result<(), SizeError> {
    let mut size = ComponentSize::default();
    for payload in Parser::new(0).parse_all(component) {
        size.add(&payload.map_err(damaged)?)?;
    }
    module::check_all(&size.modules)
}

impl ComponentSize {
    fn add(&mut self, payload: &Payload<'_>) -> Result<(), SizeError> {
        match payload {
            Payload::Version { encoding, .. } => return self.enter(*encoding),
            Payload::End(_) => {
                self.open.pop();
            }
            payload if self.open.last() == Some(&Encoding::Module) => {
                return self.modules.last_mut().map_or(Ok(()), |module| module.add(payload));
            }
            Payload::InstanceSection(instances) => {
                self.only_in_the_root()?;
                for instance in instances.clone() {
                    self.instantiate(&instance.map_err(damaged)?)?;
                }
            }
            Payload::ComponentTypeSection(types) => {
                for kind in types.clone() {
                    let count = count_types(&kind.map_err(damaged)?);
                    self.add_items(count)?;
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                // Between two components that both have functions wasmtime puts adapters, which need features that
                // are switched off here.
                self.only_in_the_root()?;
                self.add_items(functions.count().into())?;
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases.clone() {
                    self.alias(&alias.map_err(damaged)?)?;
                }
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    let is_module = matches!(import.map_err(damaged)?.ty, ComponentTypeRef::Module(_));
                    if is_module { Err(SizeError::Composed) } else { self.add_items(1) }?;
                }
            }
            Payload::ComponentInstanceSection(section) => {
                self.shells += u64::from(section.count());
                most("instances of components", self.shells, INSTANCES as u64)?;
            }
            Payload::CoreTypeSection(section) => self.add_items(section.count().into())?,
            Payload::ComponentExportSection(section) => self.add_items(section.count().into())?,
            _ => {}
        }
        Ok(())
    }

    /// Instances of nested components multiply, so only the root and the shells that give its exports their types remain.
    fn enter(&mut self, encoding: Encoding) -> Result<(), SizeError> {
        let depth = self.open.len();
        let is_module = encoding == Encoding::Module;
        if depth > 1 {
            return Err(SizeError::Composed);
        }
        self.open.push(encoding);
        self.add_items(1)?;
        if is_module {
            self.modules.push(ModuleSize::default());
            most("core modules", self.modules.len() as u64, INSTANCES as u64)?;
        }
        Ok(())
    }

    fn only_in_the_root(&self) -> Result<(), SizeError> {
        if self.open.len() > 1 { Err(SizeError::Composed) } else { Ok(()) }
    }

    /// A second number for a module would let an instance be counted as one of another module.
    fn alias(&mut self, alias: &ComponentAlias<'_>) -> Result<(), SizeError> {
        match alias {
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. }
            | ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, .. } => Err(SizeError::Composed),
            _ => self.add_items(1),
        }
    }

    fn instantiate(&mut self, instance: &Instance<'_>) -> Result<(), SizeError> {
        match instance {
            Instance::Instantiate { module_index, args } => {
                self.add_items(args.len() as u64)?;
                self.instances += 1;
                most("core instances", self.instances, INSTANCES as u64)?;
                let known = self.modules.get(*module_index as usize).map(ModuleSize::instance_bytes);
                let largest = || self.modules.iter().map(ModuleSize::instance_bytes).max().unwrap_or(0);
                self.instance_bytes = self.instance_bytes.saturating_add(known.unwrap_or_else(largest));
                most("bytes in its core instances", self.instance_bytes, MOST_INSTANCE_BYTES)
            }
            Instance::FromExports(exports) => self.add_items(1 + exports.len() as u64),
        }
    }

    fn add_items(&mut self, count: u64) -> Result<(), SizeError> {
        self.items = self.items.saturating_add(count);
        most("types, imports, exports and aliases", self.items, ITEMS)
    }
}

fn count_types(kind: &ComponentType<'_>) -> u64 {
    let of_instance = |part: &InstanceTypeDeclaration<'_>| match part {
        InstanceTypeDeclaration::Type(kind) => count_types(kind),
        _ => 1,
    };
    let of_component = |part: &ComponentTypeDeclaration<'_>| match part {
        ComponentTypeDeclaration::Type(kind) => count_types(kind),
        _ => 1,
    };
    match kind {
        ComponentType::Instance(parts) => 1 + parts.iter().map(of_instance).sum::<u64>(),
        ComponentType::Component(parts) => 1 + parts.iter().map(of_component).sum::<u64>(),
        _ => 1,
    }
}

fn most(what: &'static str, count: u64, most: u64) -> Result<(), SizeError> {
    if count > most { Err(SizeError::TooMany { what, count, most }) } else { Ok(()) }
}

#[allow(clippy::needless_pass_by_value)] // As `map_err` wants it.
fn damaged(error: wasmparser::BinaryReaderError) -> SizeError {
    SizeError::Damaged { reason: error.to_string() }
}
