//! What a component states of itself, read without compiling it. None of it is checked: it is foreign text.

use wasmparser::{
    ComponentExternalKind, ComponentNameSectionReader, ComponentTypeRef, CustomSectionReader, Encoding, KnownCustom,
    Parser, Payload, ProducersSectionReader,
};

use crate::runtime::{Language, Surface};

/// Bytes kept of a text; a licence's name or an author has some ten.
const TEXT_BYTES: usize = 1024;
/// Producers that are kept.
const PRODUCERS: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this component is damaged: {reason}")]
pub struct DescriptionError {
    reason: String,
}

/// Its metadata, as the registries' tools write them, and its imports and exports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    pub name: Option<String>,
    pub version: Option<String>,
    pub description: Option<String>,
    pub licences: Option<String>,
    pub authors: Option<String>,
    /// Where its source is.
    pub source: Option<String>,
    pub homepage: Option<String>,
    /// The revision of its source.
    pub revision: Option<String>,
    /// Of the component and of the modules in it.
    pub producers: Vec<Producer>,
    pub surface: Surface,
}

/// A language, a tool or an SDK that had a part in a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub role: String,
    pub name: String,
    /// Empty if there is none.
    pub version: String,
}

impl Description {
    /// # Errors
    /// [`DescriptionError`] if it is not a whole component.
    pub fn of(component: &[u8]) -> Result<Self, DescriptionError> {
        let mut description = Self::default();
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(component) {
            match payload? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(DescriptionError { reason: "it is a core module".to_owned() });
                }
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(imports) if depth == 1 => {
                    for import in imports {
                        let import = import?;
                        // A bare type is no request: it repeats a type of an interface that is imported as well.
                        if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                            description.surface.imports.push(import.name.name.to_owned());
                        }
                    }
                }
                Payload::ComponentExportSection(exports) if depth == 1 => {
                    for export in exports {
                        let export = export?;
                        if export.kind != ComponentExternalKind::Type {
                            description.surface.exports.push(export.name.name.to_owned());
                        }
                    }
                }
                Payload::CustomSection(section) => description.custom(&section, depth == 1),
                _ => {}
            }
        }
        Ok(description)
    }

    /// A custom section that cannot be read states nothing; the component is as good without it.
    fn custom(&mut self, section: &CustomSectionReader<'_>, is_own: bool) {
        match section.as_known() {
            KnownCustom::Producers(producers) => self.produced_by(producers),
            KnownCustom::ComponentName(names) if is_own => self.name = component_name(names),
            _ if is_own => {
                let field = match section.name() {
                    "version" => &mut self.version,
                    "description" => &mut self.description,
                    "licenses" => &mut self.licences,
                    "authors" => &mut self.authors,
                    "source" => &mut self.source,
                    "homepage" => &mut self.homepage,
                    "revision" => &mut self.revision,
                    _ => return,
                };
                *field = std::str::from_utf8(section.data()).ok().map(kept);
            }
            _ => {}
        }
    }

    fn produced_by(&mut self, producers: ProducersSectionReader<'_>) {
        for field in producers.into_iter().map_while(Result::ok) {
            for value in field.values.into_iter().map_while(Result::ok) {
                let producer =
                    Producer { role: kept(field.name), name: kept(value.name), version: kept(value.version) };
                if self.producers.len() < PRODUCERS && !self.producers.contains(&producer) {
                    self.producers.push(producer);
                }
            }
        }
    }

    /// The language it was written in, as far as its producers show.
    pub fn language(&self) -> Option<Language> {
        let names: Vec<String> = self.producers.iter().map(|producer| producer.name.to_lowercase()).collect();
        let has = |part: &str| names.iter().any(|name| name.contains(part));
        // An interpreter inside has producers of its own, so the languages that bring one come first. Of componentize-py
        // nothing shows but the tool that starts the interpreter beforehand.
        if has("componentizejs") || has("componentize-js") || has("componentize-qjs") || has("javascript") {
            Some(Language::JavaScript)
        } else if has("componentize-py") || has("python") || has("component-init-transform") {
            Some(Language::Python)
        } else if has("tinygo") || names.iter().any(|name| name == "go") {
            Some(Language::Go)
        } else if has("rustc") || has("wit-bindgen-rust") || names.iter().any(|name| name == "rust") {
            Some(Language::Rust)
        } else if has("clang") {
            Some(Language::C)
        } else {
            None
        }
    }
}

fn component_name(names: ComponentNameSectionReader<'_>) -> Option<String> {
    names.into_iter().map_while(Result::ok).find_map(|name| match name {
        wasmparser::ComponentName::Component { name, .. } => Some(kept(name)),
        _ => None,
    })
}

fn kept(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES)].to_owned()
}

impl From<wasmparser::BinaryReaderError> for DescriptionError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self { reason: error.to_string() }
    }
}
