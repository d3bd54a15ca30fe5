//! Keys that an object has several times. A reader takes one of them, so that what is in the others is lost without a word.

use std::collections::BTreeMap;

use crate::document::Node;
use crate::error::ConfigError;

/// A key that an object has several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatedKey {
    /// The path of the object: `plugins[0].ipam`, empty for the document.
    pub object: String,
    /// The key as it is written first.
    pub key: String,
    /// Whether the others are spelt alike. Keys of a struct are one key in any case; keys of a map are not.
    pub is_spelt_alike: bool,
}

impl RepeatedKey {
    /// The path of the key.
    pub fn path(&self) -> String {
        below(&self.object, &self.key)
    }
}

fn below(object: &str, key: &str) -> String {
    if object.is_empty() { key.to_owned() } else { format!("{object}.{key}") }
}

/// Every repeated key of a text, in the order of the document.
///
/// # Errors
/// [`ConfigError`] if the text is not JSON.
pub fn repeated_keys(text: &str) -> Result<Vec<RepeatedKey>, ConfigError> {
    let node: Node = serde_json::from_str(text).map_err(|error| ConfigError::syntax(&error))?;
    let mut found = Vec::new();
    search(&node, "", &mut found);
    Ok(found)
}

fn search(node: &Node, path: &str, found: &mut Vec<RepeatedKey>) {
    match node {
        Node::Object(entries) => {
            found.extend(repeated(entries.iter().map(|(key, _)| key.as_str()), path));
            entries.iter().for_each(|(key, value)| search(value, &below(path, key), found));
        }
        Node::List(nodes) => {
            nodes.iter().enumerate().for_each(|(index, node)| search(node, &format!("{path}[{index}]"), found));
        }
        Node::Null | Node::Bool(_) | Node::Unsigned(_) | Node::Signed(_) | Node::Float(_) | Node::Text(_) => {}
    }
}

/// Those of one object.
fn repeated<'k>(keys: impl Iterator<Item = &'k str>, object: &str) -> Vec<RepeatedKey> {
    // How it is written first, how often it comes, and whether it is always written so.
    let mut seen: BTreeMap<String, (&str, usize, bool)> = BTreeMap::new();
    let mut order = Vec::new();
    for key in keys {
        let (first, count, is_spelt_alike) = seen.entry(key.to_ascii_lowercase()).or_insert((key, 0, true));
        *count += 1;
        *is_spelt_alike &= *first == key;
        if *count == 2 {
            order.push(key.to_ascii_lowercase());
        }
    }
    let of = |name: &String| seen.get(name).copied();
    let repeated = order.iter().filter_map(of);
    let named = |(key, _, is_spelt_alike): (&str, usize, bool)| RepeatedKey {
        object: object.to_owned(),
        key: key.to_owned(),
        is_spelt_alike,
    };
    repeated.map(named).collect()
}
