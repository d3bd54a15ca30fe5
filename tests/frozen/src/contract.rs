//! The contract beside what was released of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use wit_component::WitPrinter;
use wit_parser::{Resolve, UnresolvedPackageGroup, WorldItem};

/// What the host calls. A policy that was built for an earlier version does not export what is new.
const EXPORTS: [&str; 4] = ["allocator", "release-hook", "adoption-hook", "cluster"];

/// What a policy may hold a value of: nothing may be added to it.
const CLOSED: [&str; 4] = ["record", "variant", "enum", "flags"];

/// The contract as `sdk/wit` has it.
pub fn current() -> Resolve {
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/wit")).unwrap();
    resolve
}

/// The released versions.
pub fn released() -> Vec<Resolve> {
    let files = fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "wit")).collect();
    files.sort_unstable();
    files.iter().map(|path| parse(&fs::read_to_string(path).unwrap())).collect()
}

pub fn parse(text: &str) -> Resolve {
    let mut resolve = Resolve::default();
    resolve.push_group(UnresolvedPackageGroup::parse("contract.wit", text).unwrap()).unwrap();
    resolve
}

/// A contract in one file without its documentation.
pub fn text(contract: &Resolve) -> String {
    let (package, _) = contract.packages.iter().next().unwrap();
    let mut printer = WitPrinter::default();
    printer.emit_docs(false);
    printer.print(contract, package, &[]).unwrap();
    printer.output.to_string()
}

pub fn version(contract: &Resolve) -> String {
    let (_, package) = contract.packages.iter().next().unwrap();
    package.name.version.as_ref().unwrap().to_string()
}

/// The functions that policies import: `leases.next-free`, `route.set-mtu`, `answer.new`.
pub fn imported_functions(contract: &Resolve) -> BTreeSet<String> {
    let imports = contract.worlds.iter().flat_map(|(_, world)| world.imports.values());
    let interfaces = imports.filter_map(|item| match item {
        WorldItem::Interface { id, .. } => Some(&contract.interfaces[*id]),
        _ => None,
    });
    let functions = interfaces.flat_map(|interface| {
        let name = interface.name.clone().unwrap();
        interface.functions.values().map(move |function| match function.name.split_once(']') {
            Some(("[constructor", resource)) => format!("{resource}.new"),
            Some((_, method)) => method.to_owned(),
            None => format!("{name}.{}", function.name),
        })
    });
    functions.collect()
}

/// What a contract does not keep of a released version of it; none if every policy of that version still runs.
pub fn faults(released: &Resolve, current: &Resolve) -> Vec<String> {
    let (old, new) = (items(&text(released)), items(&text(current)));
    let lost = old.iter().filter_map(|(path, value)| match new.get(path) {
        None => Some(format!("{path}: it is gone")),
        Some(changed) => (changed != value).then(|| format!("{path}: it was `{value}`, and is `{changed}`")),
    });
    let added: Vec<&String> = new.keys().filter(|path| !old.contains_key(*path)).collect();
    let required = added.iter().filter(|path| is_required(path, &old)).map(|path| {
        format!(
            "{path}: policies that exist do not export it; add it as a new optional interface with a world of its own"
        )
    });
    let unnamed = (version(released) == version(current)).then(|| {
        let new = added.iter().map(|path| format!("{path}: it is new, and version {} is released", version(current)));
        new.collect()
    });
    lost.chain(required).chain(unnamed.unwrap_or_else(Vec::new)).collect()
}

/// Whether policies of the earlier version would have to have an item: one of an interface or a world that they export.
fn is_required(path: &str, old: &BTreeMap<String, String>) -> bool {
    let exported = EXPORTS.iter().any(|name| path.starts_with(&format!("interface {name} / ")));
    let is_of_old_world = path.split_once(" / ").is_some_and(|(world, item)| {
        world.starts_with("world ") && old.contains_key(world) && item.starts_with("export ")
    });
    exported && old.contains_key(path.split(" / ").next().unwrap_or_default()) || is_of_old_world
}

/// The items of a printed contract by their path: `interface leases / resource lease / address`, and what each one is. A
/// type whose parts are in a policy's memory is one item, with all its parts in order.
fn items(text: &str) -> BTreeMap<String, String> {
    let mut items = BTreeMap::new();
    let mut blocks: Vec<String> = Vec::new();
    let mut closed: Option<Vec<&str>> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("package ")) {
        if let Some(parts) = &mut closed {
            if line != "}" {
                parts.push(line);
                continue;
            }
            items.insert(blocks.join(" / "), closed.take().unwrap_or_default().join(" "));
            blocks.pop();
        } else if let Some(opened) = line.strip_suffix('{') {
            let opened = opened.trim();
            blocks.push(opened.to_owned());
            if CLOSED.iter().any(|kind| opened.starts_with(&format!("{kind} "))) {
                closed = Some(Vec::new());
            } else {
                items.insert(blocks.join(" / "), String::new());
            }
        } else if line == "}" {
            blocks.pop();
        } else {
            let block = blocks.join(" / ");
            items.extend(
                named(line.trim_end_matches(';')).into_iter().map(|(name, value)| (format!("{block} / {name}"), value)),
            );
        }
    }
    items
}

/// What a line names and what each is: `address: func() -> ip-address`, `constructor(…)`, `type ipv4-address = …`,
/// `use context.{context, fact}`, and lines that are a name as a whole.
fn named(line: &str) -> Vec<(String, String)> {
    let one = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    if line.starts_with("constructor") {
        return one("constructor", line);
    }
    if let Some((interface, names)) = line.strip_prefix("use ").and_then(|used| used.split_once(".{")) {
        let names = names.trim_end_matches('}').split(", ");
        return names.map(|name| (format!("use {name}"), interface.to_owned())).collect();
    }
    if let Some((name, value)) = line.split_once(" = ").filter(|_| line.starts_with("type ")) {
        return one(name, value);
    }
    line.split_once(": ").map_or_else(|| one(line, ""), |(name, value)| one(name, value))
}
