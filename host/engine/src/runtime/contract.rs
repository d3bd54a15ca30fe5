//! Which imports and exports a component may and must have: checked when it is installed and when it is loaded.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// The package of the contract.
pub const PACKAGE: &str = "gingham:ipam";

/// The interfaces a policy may import, and the versions of the contract this host speaks.
const INTERFACES: [&str; 6] = ["addresses", "leases", "memory", "log", "attachment", SHARES];
const SHARES: &str = "shares";
const COMPATIBLE: &str = "0.1.";

/// The export that makes DEL call the policy.
pub(crate) const RELEASE: &str = "release";
/// The exports every policy has.
pub(crate) const CHECK_CONFIG: &str = "check-config";
/// See [`CHECK_CONFIG`].
pub(crate) const ALLOCATE: &str = "allocate";
/// The export that makes a policy a cluster policy.
pub(crate) const NEXT_BLOCK: &str = "next-block";
/// What a cluster policy exports beside it.
pub(crate) const BLOCKS: &str = "blocks";
/// See [`BLOCKS`].
pub(crate) const SHARE: &str = "share";

/// What a component asks of its host and offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surface {
    /// Names of the imports, in the component's order.
    pub imports: Vec<String>,
    /// Names of the exports.
    pub exports: Vec<String>,
}

/// A component that is no policy for this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// It wants more than a policy gets.
    #[error(
        "it imports {}, and a policy gets nothing but {PACKAGE}@0.1 (leases, memory, log, attachment, shares); \
         build it for wasm32-unknown-unknown, or with its language's option that leaves WASI out",
        .imports.join(", ")
    )]
    ForeignImports {
        /// The imports that are not the contract's.
        imports: Vec<String>,
    },
    /// It was built for another contract.
    #[error("it was built for {import}, and this host speaks {PACKAGE}@0.1; build it with the SDK of this version")]
    OtherVersion {
        /// The import that tells.
        import: String,
    },
    /// It is a component, but no policy.
    #[error("it exports no {}; a policy exports check-config and allocate, see the policy world in wit/", .missing.join(" and no "))]
    MissingExports {
        /// The missing ones.
        missing: Vec<&'static str>,
    },
    /// It proposes blocks, but says nothing of the grid or the shares.
    #[error(
        "it exports {NEXT_BLOCK} but no {}; a cluster policy exports blocks, share and next-block, \
         see the cluster-policy world in wit/",
        .missing.join(" and no ")
    )]
    HalfACluster {
        /// The missing exports.
        missing: Vec<&'static str>,
    },
}

impl Surface {
    /// Reads a compiled component's surface.
    pub fn of(engine: &Engine, component: &Component) -> Self {
        let kind = component.component_type();
        Self {
            // A bare type is no request: it repeats a type of an interface that is imported as well.
            imports: kind
                .imports(engine)
                .filter(|(_, import)| !matches!(import.ty, ComponentItem::Type(_) | ComponentItem::Resource(_)))
                .map(|(name, _)| name.to_owned())
                .collect(),
            exports: kind.exports(engine).map(|(name, _)| name.to_owned()).collect(),
        }
    }

    /// Whether DEL calls the policy.
    pub fn has_release(&self) -> bool {
        self.exports(RELEASE)
    }

    /// Whether it divides a range among the members of a cluster.
    pub fn is_cluster(&self) -> bool {
        self.exports(NEXT_BLOCK)
    }

    /// Whether it looks at the cluster.
    pub(crate) fn imports_shares(&self) -> bool {
        self.imports.iter().any(|import| interface_and_version(import).is_some_and(|(name, _)| name == SHARES))
    }

    fn exports(&self, wanted: &str) -> bool {
        self.exports.iter().any(|name| name == wanted)
    }

    fn missing(&self, wanted: [&'static str; 2]) -> Vec<&'static str> {
        wanted.into_iter().filter(|name| !self.exports(name)).collect()
    }

    /// Checks the surface against the contract.
    ///
    /// # Errors
    /// [`ContractError`] lists everything that is too much, or missing.
    pub fn check(&self) -> Result<(), ContractError> {
        let foreign: Vec<String> = self.imports.iter().filter(|name| !is_ours(name)).cloned().collect();
        if !foreign.is_empty() {
            return Err(ContractError::ForeignImports { imports: foreign });
        }
        if let Some(import) = self.imports.iter().find(|name| !is_compatible(name)) {
            return Err(ContractError::OtherVersion { import: import.clone() });
        }
        let missing = self.missing([CHECK_CONFIG, ALLOCATE]);
        if !missing.is_empty() {
            return Err(ContractError::MissingExports { missing });
        }
        let missing = self.missing([BLOCKS, SHARE]);
        if self.is_cluster() && !missing.is_empty() {
            return Err(ContractError::HalfACluster { missing });
        }
        Ok(())
    }
}

fn interface_and_version(import: &str) -> Option<(&str, &str)> {
    let (path, version) = import.split_once('@')?;
    let (package, interface) = path.split_once('/')?;
    (package == PACKAGE).then_some((interface, version))
}

fn is_ours(import: &str) -> bool {
    interface_and_version(import).is_some_and(|(interface, _)| INTERFACES.contains(&interface))
}

fn is_compatible(import: &str) -> bool {
    interface_and_version(import).is_some_and(|(_, version)| version.starts_with(COMPATIBLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surface(imports: &[&str], exports: &[&str]) -> Surface {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Surface { imports: own(imports), exports: own(exports) }
    }

    #[test]
    fn a_policy_fits() {
        let fits = surface(&["gingham:ipam/leases@0.1.0", "gingham:ipam/log@0.1.7"], &["check-config", "allocate"]);
        assert_eq!(fits.check(), Ok(()));
        assert!(!fits.has_release());
    }

    #[test]
    fn a_cluster_policy_is_one_that_proposes_blocks_and_is_whole() {
        let whole =
            surface(&["gingham:ipam/shares@0.1.0"], &["check-config", "allocate", "blocks", "share", "next-block"]);
        assert_eq!(whole.check(), Ok(()));
        assert!(whole.is_cluster() && whole.imports_shares());
        let looking = surface(&["gingham:ipam/shares@0.1.0"], &["check-config", "allocate"]);
        assert_eq!(looking.check(), Ok(()));
        assert!(!looking.is_cluster() && looking.imports_shares());
        let half = surface(&[], &["check-config", "allocate", "next-block", "share"]);
        assert_eq!(half.check(), Err(ContractError::HalfACluster { missing: vec!["blocks"] }));
    }

    #[test]
    fn every_foreign_import_is_named() {
        let greedy = surface(
            &["wasi:io/streams@0.2.0", "gingham:ipam/leases@0.1.0", "wasi:cli/exit@0.2.0", "gingham:ipam/disk@0.1.0"],
            &["check-config", "allocate"],
        );
        let Err(ContractError::ForeignImports { imports }) = greedy.check() else { panic!("accepted") };
        assert_eq!(imports, ["wasi:io/streams@0.2.0", "wasi:cli/exit@0.2.0", "gingham:ipam/disk@0.1.0"]);
    }

    #[test]
    fn another_contract_version_is_refused() {
        let later = surface(&["gingham:ipam/leases@0.2.0"], &["check-config", "allocate"]);
        assert_eq!(later.check(), Err(ContractError::OtherVersion { import: "gingham:ipam/leases@0.2.0".into() }));
    }

    #[test]
    fn missing_exports_are_named() {
        let half = surface(&[], &["allocate"]);
        assert_eq!(half.check(), Err(ContractError::MissingExports { missing: vec!["check-config"] }));
    }
}
