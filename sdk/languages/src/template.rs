//! From the templates to the files of one directory.

use crate::embedded::TEMPLATES;
use crate::{Kind, Language, PolicyName};

/// A file of a new directory, with its path in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The templates for a policy of this name and kind: those of every language, and the language's own.
pub(crate) fn files(language: Language, kind: Kind, name: &PolicyName) -> Vec<File> {
    let kind = kind.as_str();
    let roots = [format!("every/{kind}/"), format!("{language}/common/"), format!("{language}/{kind}/")];
    let relative = |path: &'static str| roots.iter().find_map(|root| path.strip_prefix(&**root));
    let wanted = TEMPLATES.iter().filter_map(|(path, text)| Some((relative(path)?, text)));
    wanted.map(|(path, text)| File { path: path.to_owned(), text: filled(text, name) }).collect()
}

/// The text with the name in place of `@NAME@` (pool-per-team), `@SNAKE@` (`pool_per_team`) and `@PASCAL@` (`PoolPerTeam`),
/// and Gingham's version in place of `@VERSION@`.
fn filled(text: &str, name: &PolicyName) -> String {
    let written = [
        ("@NAME@", name.as_str().to_owned()),
        ("@SNAKE@", name.in_snake_case()),
        ("@PASCAL@", name.in_pascal_case()),
        ("@VERSION@", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    written.iter().fold(text.to_owned(), |text, (placeholder, name)| text.replace(placeholder, name))
}
