//! `gingham-policy.toml`: what makes a directory a policy's.

use std::io;
use std::path::{Path, PathBuf};

use gingham_untrusted::file::{FileError, LARGEST_CONFIGURATION, read_text};
use serde::Deserialize;

use crate::{Export, Language};

/// The file's name.
pub const MANIFEST: &str = "gingham-policy.toml";

const KEYS: [&str; 3] = ["name", "language", "exports"];

/// Languages as people call them.
const OTHER_NAMES: [(&str, Language); 6] = [
    ("javascript", Language::JavaScript),
    ("node", Language::JavaScript),
    ("ecmascript", Language::JavaScript),
    ("py", Language::Python),
    ("python3", Language::Python),
    ("rs", Language::Rust),
];

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The policy's name.
    pub name: String,
    pub language: Language,
    /// What the policy exports besides `allocator`; a policy in Rust says it in its source, by `policy!`.
    #[serde(default)]
    pub exports: Vec<Export>,
}

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: FileError },
    #[error("{} is not a policy's manifest: {}{}", path.display(), source.to_string().trim_end(), hint(meant.as_deref()))]
    Parse {
        path: PathBuf,
        source: Box<toml::de::Error>,
        /// The known word that is next to an unknown one.
        meant: Option<String>,
    },
    #[error(
        "{}: name {name:?}: use 1 to 64 letters, digits, \"-\", \"_\" and \".\", beginning with a letter or a digit",
        path.display()
    )]
    Name { path: PathBuf, name: String },
}

impl Manifest {
    /// Reads the manifest of a directory. None if it has none.
    pub fn read(directory: &Path) -> Result<Option<Self>, ManifestError> {
        let path = directory.join(MANIFEST);
        let text = match read_text(&path, LARGEST_CONFIGURATION) {
            Ok(text) => text,
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ManifestError::Read { path, source }),
        };
        match toml::from_str::<Self>(&text) {
            // It becomes the name of a file.
            Ok(manifest) if !is_name(&manifest.name) => Err(ManifestError::Name { path, name: manifest.name }),
            Ok(manifest) => Ok(Some(manifest)),
            Err(source) => {
                let meant = nearest_word(&text).map(str::to_owned);
                Err(ManifestError::Parse { path, source: Box::new(source), meant })
            }
        }
    }
}

fn hint(meant: Option<&str>) -> String {
    meant.map(|meant| format!("\ndid you mean {meant:?}?")).unwrap_or_default()
}

/// What the first unknown key, language or export of the manifest was to be, as far as that can be guessed.
fn nearest_word(text: &str) -> Option<&'static str> {
    let manifest: toml::Table = text.parse().ok()?;
    let languages: Vec<&str> = Language::ALL.map(Language::as_str).to_vec();
    let exports: Vec<&str> = Export::ALL.map(Export::as_str).to_vec();
    let of = |key: &str| manifest.get(key).into_iter();
    let words = manifest.keys().map(|key| (key.as_str(), &KEYS[..]));
    let words = words.chain(of("language").filter_map(toml::Value::as_str).map(|word| (word, &languages[..])));
    let named = of("exports").filter_map(toml::Value::as_array).flatten().filter_map(toml::Value::as_str);
    let mut unknown = words.chain(named.map(|word| (word, &exports[..]))).filter(|(word, known)| !known.contains(word));
    unknown.next().and_then(|(word, known)| nearest(word, known))
}

fn nearest(word: &str, known: &[&'static str]) -> Option<&'static str> {
    if let Some((_, language)) = OTHER_NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
        return known.iter().find(|known| **known == language.as_str()).copied();
    }
    let likeness = |known: &str| strsim::jaro_winkler(&word.to_lowercase(), known);
    let alike = known.iter().copied().filter(|known| likeness(known) >= 0.75);
    alike.max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
}

/// What the library of installed policies takes as a name.
fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    first && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_manifest_that_never_ends_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        symlink("/dev/zero", directory.path().join(MANIFEST)).unwrap();
        let refused = Manifest::read(directory.path()).unwrap_err().to_string();
        assert!(refused.ends_with("it is a device, only regular files are read"), "{refused}");
    }

    #[test]
    fn a_word_that_is_misspelt_is_answered_with_the_one_that_is_meant() {
        let directory = tempfile::tempdir().unwrap();
        let fault = |text: &str| {
            fs::write(directory.path().join(MANIFEST), text).unwrap();
            Manifest::read(directory.path()).unwrap_err().to_string()
        };
        for (text, meant) in [
            ("name = \"a\"\nlangauge = \"c\"\n", "did you mean \"language\"?"),
            ("nmae = \"a\"\nlanguage = \"c\"\n", "did you mean \"name\"?"),
            ("name = \"a\"\nlanguage = \"pyhton\"\n", "did you mean \"python\"?"),
            ("name = \"a\"\nlanguage = \"JavaScript\"\n", "did you mean \"js\"?"),
            (
                "name = \"a\"\nlanguage = \"c\"\nexports = [\"cluster\", \"release\"]\n",
                "did you mean \"release-hook\"?",
            ),
        ] {
            let shown = fault(text);
            assert!(shown.ends_with(meant), "{shown}");
        }
        for text in ["name = \"a\"\nlanguage = \"c\"\nzzz = 1\n", "name = 1\nlanguage = \"c\"\n", "name"] {
            let shown = fault(text);
            assert!(!shown.contains("did you mean"), "{shown}");
        }
    }

    #[test]
    fn a_name_cannot_lead_out_of_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let read = |name: &str| {
            let text = format!("name = {name:?}\nlanguage = \"rust\"\n");
            fs::write(directory.path().join(MANIFEST), text).unwrap();
            Manifest::read(directory.path())
        };
        assert_eq!(read("by-rack").unwrap().unwrap().name, "by-rack");
        for name in ["../x", "/x", "", "a/b", "-x"] {
            assert!(matches!(read(name), Err(ManifestError::Name { .. })), "{name}");
        }
    }
}
