//! What an author of a policy gets in each language: a directory that builds outside of this repository, and the call of
//! the language's toolchain that makes the component.
//!
//! A language is a variant of [`Language`], a folder of `src` with its [`Toolchain`], and a folder of `templates`. The
//! files of `templates/LANGUAGE/common` are in every new directory, those of `templates/LANGUAGE/KIND` in one of that kind,
//! and those of `templates/every/KIND` in one of any language: the cases. So the first policies of all languages do the same.

mod build;
mod c;
pub mod contract;
mod embedded;
mod javascript;
mod language;
mod linked;
mod manifest;
mod name;
mod new;
mod program;
mod python;
mod rust;
mod template;
mod toolchain;
mod work_directory;

pub use build::{BuildError, Built, DebugInformation, build, build_with};
pub use javascript::JavaScriptError;
pub use language::{Export, Kind, Language};
pub use linked::LinkError;
pub use manifest::{MANIFEST, Manifest, ManifestError};
pub use name::{NameError, PolicyName};
pub use new::{NewError, create};
pub use program::Program;
pub use python::PythonError;
pub use toolchain::{Message, Messages, ToolchainError};
