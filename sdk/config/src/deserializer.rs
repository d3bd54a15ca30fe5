//! The deserializer: serde's data model from a [`Node`].

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::document::Node;
use crate::error::ConfigError;
use crate::object::{Entries, matched, verbatim};

/// Deserializes the value at one place of the document.
#[derive(Clone, Copy)]
pub(crate) struct At<'a>(pub(crate) &'a Node);

impl<'a> At<'a> {
    /// Runs a visitor on a scalar, and has its complaint tell the value and what it was read as.
    fn scalar<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError>
    where
        'a: 'de,
    {
        let expected = (&visitor as &dyn serde::de::Expected).to_string();
        let result = match self.0 {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(*value),
            Node::Unsigned(value) => visitor.visit_u64(*value),
            Node::Signed(value) => visitor.visit_i64(*value),
            Node::Float(value) => visitor.visit_f64(*value),
            Node::Text(text) => visitor.visit_borrowed_str(text),
            Node::List(_) => return Err(Error::invalid_type(Unexpected::Seq, &visitor)),
            Node::Object(_) => return Err(Error::invalid_type(Unexpected::Map, &visitor)),
        };
        result.map_err(|error: ConfigError| error.found(self.0.unexpected(), Some(&expected)))
    }

    /// A complaint of code that saw no more than the finished value: it gets the value as the document has it.
    pub(crate) fn explain(self, error: ConfigError) -> ConfigError {
        if self.0.is_scalar() || error.is_of_a_kind() { error.found(self.0.unexpected(), None) } else { error }
    }
}

impl<'de> Deserializer<'de> for At<'de> {
    type Error = ConfigError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        match self.0 {
            Node::List(nodes) => visitor.visit_seq(Elements { nodes: nodes.iter(), index: 0 }),
            Node::Object(entries) => visitor.visit_map(Entries::new(verbatim(entries))),
            _ => self.scalar(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        match self.0 {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        match self.0 {
            Node::Object(entries) => visitor.visit_map(Entries::new(matched(entries, fields))),
            Node::List(_) => Err(Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.scalar(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        match self.0 {
            Node::Text(name) => visitor.visit_enum(Variant { name, content: None }),
            Node::Object(entries) => match entries.as_slice() {
                [(name, content)] => visitor.visit_enum(Variant { name, content: Some(content) }),
                _ => Err(Error::invalid_type(Unexpected::Map, &visitor)),
            },
            _ => Err(Error::invalid_type(self.0.unexpected(), &visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier
    }
}

/// A list's elements.
struct Elements<'de> {
    nodes: std::slice::Iter<'de, Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = ConfigError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ConfigError> {
        let Some(node) = self.nodes.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        let result = seed.deserialize(At(node));
        result.map(Some).map_err(|error| At(node).explain(error).under_index(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.nodes.len())
    }
}

/// An enum: a variant's name, or an object whose only key is one.
struct Variant<'de> {
    name: &'de str,
    content: Option<&'de Node>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = ConfigError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), ConfigError> {
        let name: serde::de::value::StrDeserializer<'_, ConfigError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> Variant<'de> {
    fn content(&self, expected: &str) -> Result<At<'de>, ConfigError> {
        self.content.map(At).ok_or_else(|| Error::invalid_type(Unexpected::Str(self.name), &expected))
    }

    fn under<T>(&self, result: Result<T, ConfigError>) -> Result<T, ConfigError> {
        result.map_err(|error| error.under(self.name))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = ConfigError;

    fn unit_variant(self) -> Result<(), ConfigError> {
        match self.content {
            None => Ok(()),
            Some(content) => self.under(Deserialize::deserialize(At(content))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ConfigError> {
        let content = self.content("an object with this key")?;
        self.under(seed.deserialize(content).map_err(|error| content.explain(error)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, ConfigError> {
        let content = self.content("an object with this key")?;
        self.under(content.deserialize_any(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        let content = self.content("an object with this key")?;
        self.under(content.deserialize_struct("", fields, visitor))
    }
}
