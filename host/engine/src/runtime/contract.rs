//! Which imports and exports a component may and must have: checked when it is installed and when it is loaded.

use wasmtime::Engine;
use wasmtime::component::types::Component;

pub const PACKAGE: &str = "gingham:ipam";

/// The interfaces a policy may import, and the versions of the contract this host speaks.
pub(super) const INTERFACES: [&str; 11] = [
    "addresses",
    "context",
    "request",
    "pools",
    "answers",
    "leases",
    "state",
    "reservations",
    "events",
    "shares",
    "log",
];
const COMPATIBLE: &str = "0.2.";
/// For messages.
const SPOKEN: &str = "gingham:ipam@0.2";

pub(crate) const ALLOCATOR: &str = "allocator";
/// The export that makes DEL call the policy.
const RELEASE_HOOK: &str = "release-hook";
/// The export that makes an adoption call the policy.
const ADOPTION_HOOK: &str = "adoption-hook";
/// The export that makes a policy a cluster policy.
const CLUSTER: &str = "cluster";

#[derive(Debug, Clone, Copy)]
pub(super) struct Function {
    pub(super) interface: &'static str,
    pub(super) name: &'static str,
}

pub(super) const CHECK_CONFIG: Function = Function { interface: ALLOCATOR, name: "check-config" };
pub(super) const ALLOCATE: Function = Function { interface: ALLOCATOR, name: "allocate" };
pub(super) const RELEASE: Function = Function { interface: RELEASE_HOOK, name: "release" };
pub(super) const ADOPT: Function = Function { interface: ADOPTION_HOOK, name: "adopt" };
pub(super) const BLOCKS: Function = Function { interface: CLUSTER, name: "blocks" };
pub(super) const SHARE: Function = Function { interface: CLUSTER, name: "share" };
pub(super) const NEXT_BLOCK: Function = Function { interface: CLUSTER, name: "next-block" };

impl Function {
    /// The name under which a component exports the interface. The runtime finds compatible versions by it.
    pub(super) fn instance(self) -> String {
        format!("{PACKAGE}/{}@0.2.0", self.interface)
    }
}

/// What a component imports and exports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surface {
    /// Names of the imports, in the component's order.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// A component that is no policy for this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// It wants more than a policy gets.
    #[error(
        "it imports {}, but a policy can import only {SPOKEN} ({}); {}",
        .imports.join(", "), INTERFACES.join(", "), advice(*.language)
    )]
    ForeignImports {
        /// The imports that are not the contract's.
        imports: Vec<String>,
        /// What it was written in, where that is known.
        language: Option<Language>,
    },
    #[error("it was built for {item}, and this host supports {SPOKEN}; build it with the SDK of this version")]
    OtherVersion { item: String },
    /// It is a component, but no policy.
    #[error("it does not export {PACKAGE}/{ALLOCATOR}; every policy does, see the world `policy` in wit/")]
    NoAllocator,
}

/// A language whose tools have an option that leaves the system out of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Rust,
    JavaScript,
    Python,
    C,
    Go,
}

impl Language {
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
            Self::C => "C",
            Self::Go => "Go",
        }
    }
}

fn advice(language: Option<Language>) -> &'static str {
    match language {
        None => "build it for wasm32-unknown-unknown, or with its language's option that leaves WASI out",
        Some(Language::Rust) => {
            "build this Rust crate with `--target wasm32-unknown-unknown`, not for wasm32-wasip1 or wasm32-wasip2"
        }
        Some(Language::JavaScript) => {
            "build this JavaScript with `disableFeatures: [\"stdio\", \"random\", \"clocks\", \"http\", \"fetch-event\"]` \
             of componentize-js (`jco componentize --disable all`)"
        }
        Some(Language::Python) => "build this Python with `componentize-py componentize --stub-wasi`",
        Some(Language::C) => {
            "link this C with `-nostartfiles -Wl,--no-entry` and without functions that call the system: printf, time, \
             rand, files"
        }
        Some(Language::Go) => "build this Go with TinyGo's `-target=wasm-unknown`",
    }
}

impl Surface {
    pub(super) fn with_imports<'a>(
        imports: impl Iterator<Item = &'a str>,
        engine: &Engine,
        component: &Component,
    ) -> Self {
        Self {
            imports: imports.map(str::to_owned).collect(),
            exports: component.exports(engine).map(|(name, _)| name.to_owned()).collect(),
        }
    }

    /// Whether DEL calls the policy.
    pub fn has_release(&self) -> bool {
        self.exports(RELEASE_HOOK)
    }

    pub fn has_adoption(&self) -> bool {
        self.exports(ADOPTION_HOOK)
    }

    /// Whether it divides a range among the members of a cluster.
    pub fn is_cluster(&self) -> bool {
        self.exports(CLUSTER)
    }

    /// The exports that the contract knows.
    pub fn contract_exports(&self) -> impl Iterator<Item = &str> {
        let known = [ALLOCATOR, RELEASE_HOOK, ADOPTION_HOOK, CLUSTER];
        let is_known = move |name: &&str| interface_of(name).is_some_and(|interface| known.contains(&interface));
        self.exports.iter().map(String::as_str).filter(is_known)
    }

    fn exports(&self, wanted: &str) -> bool {
        self.exports.iter().any(|name| interface_of(name) == Some(wanted) && is_compatible(name))
    }

    /// Checks the surface against the contract.
    ///
    /// # Errors
    /// The first [`ContractError`].
    pub fn check(&self) -> Result<(), ContractError> {
        self.faults(None).into_iter().next().map_or(Ok(()), Err)
    }

    /// Everything that is too much, missing or of another version, with advice for who writes in this language.
    pub(crate) fn faults(&self, language: Option<Language>) -> Vec<ContractError> {
        let is_other = |name: &&String| interface_of(name).is_some() && !is_compatible(name);
        let others = self.imports.iter().chain(&self.exports).filter(is_other);
        // All of a component was built against one version: naming one item is enough.
        let mut faults: Vec<ContractError> =
            others.take(1).map(|item| ContractError::OtherVersion { item: item.clone() }).collect();
        let is_foreign = |name: &&String| !interface_of(name).is_some_and(|name| INTERFACES.contains(&name));
        let imports: Vec<String> = self.imports.iter().filter(is_foreign).cloned().collect();
        if !imports.is_empty() {
            faults.push(ContractError::ForeignImports { imports, language });
        }
        if faults.is_empty() && !self.exports(ALLOCATOR) {
            faults.push(ContractError::NoAllocator);
        }
        faults
    }
}

fn interface_and_version(item: &str) -> Option<(&str, &str)> {
    let (path, version) = item.split_once('@')?;
    let (package, interface) = path.split_once('/')?;
    (package == PACKAGE).then_some((interface, version))
}

pub(super) fn interface_of(item: &str) -> Option<&str> {
    interface_and_version(item).map(|(interface, _)| interface)
}

fn is_compatible(item: &str) -> bool {
    interface_and_version(item).is_some_and(|(_, version)| version.starts_with(COMPATIBLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOCATOR: &str = "gingham:ipam/allocator@0.2.0";

    fn surface(imports: &[&str], exports: &[&str]) -> Surface {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Surface { imports: own(imports), exports: own(exports) }
    }

    #[test]
    fn a_policy_fits() {
        let fits = surface(&["gingham:ipam/leases@0.2.0", "gingham:ipam/log@0.2.7"], &[ALLOCATOR]);
        assert_eq!(fits.check(), Ok(()));
        assert!(!fits.has_release() && !fits.is_cluster() && !fits.has_adoption());
    }

    #[test]
    fn what_else_it_exports_says_what_else_it_does() {
        let hooks = ["gingham:ipam/release-hook@0.2.0", "gingham:ipam/adoption-hook@0.2.3"];
        let whole = surface(&["gingham:ipam/shares@0.2.0"], &[&hooks[..], &[ALLOCATOR]].concat());
        assert_eq!(whole.check(), Ok(()));
        assert!(whole.has_release() && whole.has_adoption() && !whole.is_cluster());
        assert!(surface(&[], &[ALLOCATOR, "gingham:ipam/cluster@0.2.0"]).is_cluster());
    }

    #[test]
    fn what_tools_export_besides_is_not_the_contracts() {
        let of_python = surface(&[], &["exports", ALLOCATOR, "gingham:ipam/release-hook@0.2.0"]);
        let exports: Vec<&str> = of_python.contract_exports().collect();
        assert_eq!(exports, [ALLOCATOR, "gingham:ipam/release-hook@0.2.0"]);
    }

    #[test]
    fn every_foreign_import_is_named() {
        let greedy = surface(
            &["wasi:io/streams@0.2.0", "gingham:ipam/leases@0.2.0", "wasi:cli/exit@0.2.0", "gingham:ipam/disk@0.2.0"],
            &[ALLOCATOR],
        );
        let Err(ContractError::ForeignImports { imports, .. }) = greedy.check() else { panic!("accepted") };
        assert_eq!(imports, ["wasi:io/streams@0.2.0", "wasi:cli/exit@0.2.0", "gingham:ipam/disk@0.2.0"]);
    }

    #[test]
    fn another_contract_version_is_refused() {
        for item in ["gingham:ipam/memory@0.1.0", "gingham:ipam/leases@0.3.0"] {
            let other = surface(&[item, "wasi:cli/exit@0.2.0"], &["check-config", "allocate"]);
            assert_eq!(other.check(), Err(ContractError::OtherVersion { item: item.into() }));
        }
        let exports = surface(&[], &["gingham:ipam/allocator@0.3.0"]);
        assert!(matches!(exports.check(), Err(ContractError::OtherVersion { .. })));
    }

    #[test]
    fn a_component_without_an_allocator_is_no_policy() {
        for exports in [&[][..], &["allocate", "check-config"], &["gingham:ipam/release-hook@0.2.0"]] {
            assert_eq!(surface(&[], exports).check(), Err(ContractError::NoAllocator));
        }
    }
}
