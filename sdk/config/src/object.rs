//! Objects: which entry of the document belongs to which field. Values nest, so it and `deserializer` call each other.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess};

use crate::deserializer::At;
use crate::document::Node;
use crate::error::ConfigError;
use crate::unknown;

/// An entry that is handed to the reader.
pub(crate) struct Entry<'de> {
    /// The key as the reader knows it.
    name: &'de str,
    /// The key as the document spells it.
    written: &'de str,
    value: &'de Node,
}

/// The entries for a reader that takes any key: a map. Of a repeated key the last one counts, by the map's own doing.
pub(crate) fn verbatim(entries: &[(String, Node)]) -> Vec<Entry<'_>> {
    entries.iter().map(|(key, value)| Entry { name: key, written: key, value }).collect()
}

/// The entries for a struct with these fields.
pub(crate) fn matched<'de>(entries: &'de [(String, Node)], fields: &'static [&'static str]) -> Vec<Entry<'de>> {
    let mut chosen = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        match field(key, fields) {
            Some(_) if *value == Node::Null => {}
            Some(name) => put(&mut chosen, Entry { name, written: key, value }),
            None => {
                unknown::note(key, fields);
                chosen.push(Entry { name: key, written: key, value });
            }
        }
    }
    chosen
}

fn field(key: &str, fields: &'static [&'static str]) -> Option<&'static str> {
    let exact = fields.iter().find(|field| **field == key);
    exact.or_else(|| fields.iter().find(|field| field.eq_ignore_ascii_case(key))).copied()
}

/// Later entries replace earlier ones, but one spelt like the field is not replaced by one that is not.
fn put<'de>(chosen: &mut Vec<Entry<'de>>, entry: Entry<'de>) {
    match chosen.iter_mut().find(|other| other.name == entry.name) {
        Some(other) if other.written == other.name && entry.written != entry.name => {}
        Some(other) => *other = entry,
        None => chosen.push(entry),
    }
}

/// Entries on their way to the reader.
pub(crate) struct Entries<'de> {
    entries: std::vec::IntoIter<Entry<'de>>,
    current: Option<Entry<'de>>,
}

impl<'de> Entries<'de> {
    pub(crate) fn new(entries: Vec<Entry<'de>>) -> Self {
        Self { entries: entries.into_iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = ConfigError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ConfigError> {
        self.current = self.entries.next();
        let Some(entry) = &self.current else { return Ok(None) };
        let name: StrDeserializer<'_, ConfigError> = entry.name.into_deserializer();
        let key = seed.deserialize(name);
        // A field's name is never at fault itself, save for an unknown one, which names itself.
        key.map(Some).map_err(|error| error.found(serde::de::Unexpected::Str(entry.written), Some("another key")))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ConfigError> {
        let Some(entry) = self.current.take() else {
            return Err(serde::de::Error::custom("a value was asked for before its key"));
        };
        let at = At(entry.value);
        seed.deserialize(at).map_err(|error| at.explain(error).under(entry.written))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}
