//! Values with a form of their own.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use gingham_engine::attachment::{Owner, Requester};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One value, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

/// A span of time: `120s`, `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause(pub Duration);

/// A pod: `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodName {
    pub namespace: String,
    pub name: String,
}

/// What made a pod: `StatefulSet/web`, with its uid after another slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerName(pub Owner);

/// A hardware address: `02:00:00:00:00:01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl FromStr for Pause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = humantime::parse_duration(text).map(Self);
        parsed.map_err(|_| format!("invalid duration {text:?}: use a number and a unit, such as \"120s\""))
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl FromStr for PodName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(format!("invalid pod {text:?}: use namespace/name, such as \"shop/web-0\"")),
        }
    }
}

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for OwnerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, '/').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(kind), Some(name), uid) if !kind.is_empty() && !name.is_empty() => {
                Ok(Self(Owner { kind, name, uid: uid.unwrap_or_default() }))
            }
            _ => Err(format!("invalid owner {text:?}: use kind/name or kind/name/uid, such as \"StatefulSet/web\"")),
        }
    }
}

impl fmt::Display for OwnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner { kind, name, uid } = &self.0;
        write!(f, "{kind}/{name}{}{uid}", if uid.is_empty() { "" } else { "/" })
    }
}

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("invalid hardware address {text:?}: use six bytes, such as \"02:00:00:00:00:01\"");
        let is_byte = |part: &str| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = |part: &str| if is_byte(part) { u8::from_str_radix(part, 16).ok() } else { None };
        let bytes: Option<Vec<u8>> = text.split(':').map(byte).collect();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(invalid)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// These are written and read as text.
macro_rules! text {
    ($($kind:ty)*) => {
        $(
            impl Serialize for $kind {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $kind {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
                }
            }
        )*
    };
}

text! { Pause PodName OwnerName Mac }

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: fmt::Display> fmt::Display for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }
}

impl<T: fmt::Display> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.collect_str(one),
            several => serializer.collect_seq(several.iter().map(ToString::to_string)),
        }
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<List<T>, E> {
        Ok(List(vec![parse(text)?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(text) = items.next_element::<String>()? {
            list.push(parse(&text)?);
        }
        Ok(List(list))
    }
}

fn parse<T: FromStr<Err: fmt::Display>, E: serde::de::Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(|error: T::Err| E::custom(format_args!("invalid value {text:?}: {error}")))
}

/// A kind of requester by its name.
pub(super) fn requester(name: &str) -> Option<Requester> {
    match name {
        "pod" => Some(Requester::Pod),
        "container" => Some(Requester::Container),
        "node" => Some(Requester::Node),
        "script" => Some(Requester::Script),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_and_written() {
        for text in ["StatefulSet/web", "StatefulSet/web/8d1e/1"] {
            assert_eq!(text.parse::<OwnerName>().unwrap().to_string(), text);
        }
        assert_eq!("shop/web-0".parse::<PodName>().unwrap().to_string(), "shop/web-0");
        assert_eq!("02:00:00:00:00:fe".parse::<Mac>().unwrap().to_string(), "02:00:00:00:00:fe");
        assert_eq!("90m".parse::<Pause>().unwrap().to_string(), "1h 30m");
    }

    #[test]
    fn other_forms_are_refused_with_an_example() {
        for text in ["web", "/web", "web/", "a/b/c"] {
            assert!(text.parse::<PodName>().unwrap_err().contains("shop/web-0"), "{text}");
        }
        for text in ["web", "/web", "web/"] {
            assert!(text.parse::<OwnerName>().unwrap_err().contains("StatefulSet/web"), "{text}");
        }
        for text in ["", "02:00:00:00:00", "02:00:00:00:00:00:00", "2:0:0:0:0:0", "+2:00:00:00:00:00"] {
            assert!(text.parse::<Mac>().unwrap_err().contains("six bytes"), "{text}");
        }
        assert!("soon".parse::<Pause>().unwrap_err().contains("120s"));
    }
}
