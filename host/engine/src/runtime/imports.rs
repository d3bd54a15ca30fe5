//! What a component imports of the contract, item by item. Tools leave out of a component what it does not call.

use wasmtime::Engine;
use wasmtime::component::types::{Component, ComponentItem};

use super::contract::{INTERFACES, interface_of};

#[derive(Debug)]
pub(super) struct Imports(Vec<Import>);

#[derive(Debug)]
pub(super) struct Import {
    /// With the version of the contract that the component was built for.
    pub(super) name: String,
    /// None if it is not the contract's.
    interface: Option<&'static str>,
    /// Under the component model's names, such as `[method]request.pod-name`.
    functions: Vec<String>,
    resources: Vec<String>,
}

impl Imports {
    pub(super) fn of(engine: &Engine, component: &Component) -> Self {
        let imports = component.imports(engine).filter_map(|(name, found)| Import::of(engine, name, &found.ty));
        Self(imports.collect())
    }

    /// In the component's order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|import| import.name.as_str())
    }

    pub(super) fn interface(&self, name: &str) -> Option<&Import> {
        self.0.iter().find(|import| import.interface == Some(name))
    }
}

impl Import {
    fn of(engine: &Engine, name: &str, item: &ComponentItem) -> Option<Self> {
        let interface = interface_of(name).and_then(|it| INTERFACES.into_iter().find(|known| *known == it));
        let mut import = Self { name: name.to_owned(), interface, functions: Vec::new(), resources: Vec::new() };
        match item {
            // A bare type is no request: it repeats a type of an interface that is imported as well.
            ComponentItem::Type(_) | ComponentItem::Resource(_) => return None,
            ComponentItem::ComponentInstance(instance) => {
                for (name, export) in instance.exports(engine) {
                    match export.ty {
                        ComponentItem::ComponentFunc(_) => import.functions.push(name.to_owned()),
                        ComponentItem::Resource(_) => import.resources.push(name.to_owned()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Some(import)
    }

    pub(super) fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.iter().map(String::as_str)
    }

    pub(super) fn has(&self, resource: &str) -> bool {
        self.resources.iter().any(|known| known == resource)
    }

    /// The full name of a function, if it is imported. `owner` is its resource, or the interface if it has none, and
    /// `function` its name in Rust.
    pub(super) fn function(&self, owner: &str, function: &str) -> Option<&str> {
        let is_free = self.interface == Some(owner);
        self.functions().find(|known| {
            is_method(known.as_bytes(), owner.as_bytes(), function.as_bytes())
                || is_free && is_same(known.as_bytes(), function.as_bytes())
        })
    }
}

/// Lengths first: an ADD compares some 500 names, and nearly all are others.
fn is_method(name: &[u8], resource: &[u8], method: &[u8]) -> bool {
    // As long as `[static]`.
    const KIND: usize = "[method]".len();
    let dot = KIND + resource.len();
    if name.len() == dot + 1 + method.len() {
        return name[0] == b'['
            && name[dot] == b'.'
            && name[KIND..dot] == *resource
            && is_same(&name[dot + 1..], method);
    }
    method == b"new" && name.strip_prefix(b"[constructor]") == Some(resource)
}

/// WIT has `-` where Rust has `_`.
fn is_same(name: &[u8], in_rust: &[u8]) -> bool {
    let is_same = |(one, other): (&u8, &u8)| one == other || (*one, *other) == (b'-', b'_');
    name.len() == in_rust.len() && name.iter().zip(in_rust).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_by_its_name_in_rust() {
        let functions = ["[constructor]route", "[method]route.set-mtu", "[static]refusal.try-again", "next-free"];
        let import = Import {
            name: String::new(),
            interface: Some("leases"),
            functions: functions.map(str::to_owned).into(),
            resources: vec!["owner".to_owned()],
        };
        for (owner, function, found) in [
            ("route", "new", Some(functions[0])),
            ("refusal", "new", None),
            ("route", "set_mtu", Some(functions[1])),
            ("raute", "set_mtu", None),
            ("routes", "set_mtu", None),
            ("route", "set_table", None),
            ("route", "set_mtv", None),
            ("refusal", "try_again", Some(functions[2])),
            ("leases", "next_free", Some(functions[3])),
            ("lease", "next_free", None),
            ("leases", "state", None),
            // A resource of this name is imported, and no function.
            ("leases", "owner", None),
            ("request", "owner", None),
        ] {
            assert_eq!(import.function(owner, function), found, "{owner} {function}");
        }
        assert!(import.has("owner") && !import.has("route"));
    }
}
