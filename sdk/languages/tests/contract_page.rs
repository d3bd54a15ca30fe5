//! `docs/policies/contract.md`, made of the contract's WIT.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use wit_parser::{
    Function, FunctionKind, Handle, Interface, Resolve, Type, TypeDef, TypeDefKind, TypeId, WorldItem, WorldKey,
};

/// Set to write the page instead of comparing it.
const UPDATE: &str = "GINGHAM_UPDATE_DOCS";

const HEAD: &str = "\
# The contract, `gingham:ipam@0.2.0`

<!-- Generated from sdk/wit: GINGHAM_UPDATE_DOCS=1 cargo test -p gingham-languages --test contract_page -->

What a policy can call, and what it exports. `ginghamctl policy wit` prints the files that this page is made of.
The [guide](guide.md) shows how a policy uses it, the [overview](README.md#the-contract-in-overview) what it means.

Types are written as in [WIT](https://component-model.bytecodealliance.org/design/wit.html).

";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// The contract, and the page that is written of it.
struct Page {
    resolve: Resolve,
    text: String,
}

impl Page {
    fn new() -> Self {
        let mut resolve = Resolve::default();
        resolve.push_dir(repository().join("sdk/wit")).unwrap();
        Self { resolve, text: HEAD.to_owned() }
    }

    fn write(mut self) -> String {
        let resolve = self.resolve.clone();
        self.contents(&resolve);
        for (_, world) in &resolve.worlds {
            let _ = write!(self.text, "\n## World `{}`\n\n", world.name);
            self.docs(world.docs.contents.as_deref());
            for (verb, items) in [("Imports", &world.imports), ("Exports", &world.exports)] {
                let names: Vec<String> = items.iter().map(|(key, item)| self.item(key, item)).collect();
                if !names.is_empty() {
                    let _ = writeln!(self.text, "{verb}: {}.\n", names.join(", "));
                }
            }
            self.trim();
        }
        for (_, interface) in &resolve.interfaces {
            self.interface(interface);
        }
        self.text
    }

    fn contents(&mut self, resolve: &Resolve) {
        let mut lines = String::new();
        for (_, world) in &resolve.worlds {
            let _ = writeln!(lines, "- [World `{0}`](#world-{0})", world.name);
        }
        for (_, interface) in &resolve.interfaces {
            let name = interface.name.as_deref().unwrap();
            let docs = interface.docs.contents.as_deref().unwrap_or_default().replace('\n', " ");
            let first = docs.split_inclusive(". ").next().unwrap_or_default().trim_end();
            let _ = writeln!(lines, "- [Interface `{name}`](#interface-{name}): {first}");
        }
        self.text += &lines;
    }

    fn item(&self, key: &WorldKey, item: &WorldItem) -> String {
        match (key, item) {
            (WorldKey::Interface(id), WorldItem::Interface { .. }) => {
                let name = self.resolve.interfaces[*id].name.as_deref().unwrap();
                format!("[`{name}`](#interface-{name})")
            }
            other => panic!("the page has no form for {other:?}"),
        }
    }

    fn interface(&mut self, interface: &Interface) {
        let _ = write!(self.text, "\n## Interface `{}`\n\n", interface.name.as_deref().unwrap());
        self.docs(interface.docs.contents.as_deref());
        let own: Vec<(&String, TypeId)> = interface.types.iter().map(|(name, id)| (name, *id)).collect();
        for (name, id) in own {
            let definition = self.resolve.types[id].clone();
            // Used from another interface.
            if !matches!(definition.kind, TypeDefKind::Type(Type::Id(_))) {
                self.definition(name, id, &definition, interface);
            }
        }
        let free: Vec<&Function> =
            interface.functions.values().filter(|it| it.kind == FunctionKind::Freestanding).collect();
        for function in free {
            let _ = write!(self.text, "### `{}`\n\n", self.signature(&function.name, function));
            self.docs(function.docs.contents.as_deref());
        }
        self.trim();
    }

    fn definition(&mut self, name: &str, id: TypeId, definition: &TypeDef, interface: &Interface) {
        let (kind, rows) = self.rows(id, &definition.kind, interface);
        let alias = if kind == "type" { format!(" = {}", self.kind_of(&definition.kind)) } else { String::new() };
        let _ = write!(self.text, "### `{kind} {name}{alias}`\n\n");
        self.docs(definition.docs.contents.as_deref());
        for (row, docs) in &rows {
            let docs = docs.as_deref().unwrap_or_default().replace('\n', " ");
            let _ = writeln!(self.text, "- `{row}`{}{docs}", if docs.is_empty() { "" } else { ": " });
        }
        if !rows.is_empty() {
            self.text.push('\n');
        }
    }

    /// What kind of type it is, and its parts with their documentation.
    fn rows(
        &self,
        id: TypeId,
        kind: &TypeDefKind,
        interface: &Interface,
    ) -> (&'static str, Vec<(String, Option<String>)>) {
        match kind {
            TypeDefKind::Record(record) => {
                let row = |field: &wit_parser::Field| {
                    (format!("{}: {}", field.name, self.type_of(&field.ty)), field.docs.contents.clone())
                };
                ("record", record.fields.iter().map(row).collect())
            }
            TypeDefKind::Variant(variant) => {
                let case = |case: &wit_parser::Case| {
                    case.ty.as_ref().map_or(case.name.clone(), |of| format!("{}({})", case.name, self.type_of(of)))
                };
                ("variant", variant.cases.iter().map(|it| (case(it), it.docs.contents.clone())).collect())
            }
            TypeDefKind::Enum(of) => {
                ("enum", of.cases.iter().map(|it| (it.name.clone(), it.docs.contents.clone())).collect())
            }
            TypeDefKind::Resource => {
                let methods = interface.functions.values().filter(|function| function.kind.resource() == Some(id));
                ("resource", methods.map(|it| (self.signature(it.item_name(), it), it.docs.contents.clone())).collect())
            }
            TypeDefKind::Type(_) | TypeDefKind::Tuple(_) => ("type", Vec::new()),
            other => panic!("the page has no form for {other:?}"),
        }
    }

    fn signature(&self, name: &str, function: &Function) -> String {
        let own = usize::from(matches!(function.kind, FunctionKind::Method(_)));
        let parameter = |it: &wit_parser::Param| format!("{}: {}", it.name, self.type_of(&it.ty));
        let parameters: Vec<String> = function.params.iter().skip(own).map(parameter).collect();
        let name = match function.kind {
            FunctionKind::Constructor(_) => "constructor",
            _ => name,
        };
        let result = match (&function.kind, &function.result) {
            (FunctionKind::Constructor(_), _) | (_, None) => String::new(),
            (_, Some(result)) => format!(" -> {}", self.type_of(result)),
        };
        format!("{name}({}){result}", parameters.join(", "))
    }

    fn type_of(&self, of: &Type) -> String {
        let Type::Id(id) = of else { return primitive(of).to_owned() };
        let definition = &self.resolve.types[*id];
        if let Some(name) = &definition.name {
            return name.clone();
        }
        self.kind_of(&definition.kind)
    }

    fn kind_of(&self, kind: &TypeDefKind) -> String {
        let or_none = |of: &Option<Type>| of.as_ref().map_or("_".to_owned(), |of| self.type_of(of));
        match kind {
            TypeDefKind::Type(of) => self.type_of(of),
            TypeDefKind::Option(of) => format!("option<{}>", self.type_of(of)),
            TypeDefKind::List(of) => format!("list<{}>", self.type_of(of)),
            TypeDefKind::Tuple(tuple) => {
                format!("tuple<{}>", tuple.types.iter().map(|of| self.type_of(of)).collect::<Vec<_>>().join(", "))
            }
            TypeDefKind::Result(result) => format!("result<{}, {}>", or_none(&result.ok), or_none(&result.err)),
            TypeDefKind::Handle(Handle::Own(id)) => self.type_of(&Type::Id(*id)),
            TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", self.type_of(&Type::Id(*id))),
            other => panic!("the page has no form for {other:?}"),
        }
    }

    fn docs(&mut self, docs: Option<&str>) {
        if let Some(docs) = docs {
            let _ = write!(self.text, "{}\n\n", docs.trim());
        }
    }

    fn trim(&mut self) {
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
    }
}

fn primitive(of: &Type) -> &'static str {
    match of {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::String => "string",
        other => panic!("the page has no form for {other:?}"),
    }
}

#[test]
fn the_page_has_every_item_of_the_contract() {
    let path = repository().join("docs/policies/contract.md");
    let page = Page::new().write();
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/policies/contract.md is not up to date: run {UPDATE}=1 cargo test -p gingham-languages --test contract_page"
    );
    assert!(page.matches("\n## Interface `").count() >= 15, "{page}");
}
