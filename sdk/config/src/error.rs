//! Faults in a configuration.

use std::fmt::{self, Display};

use serde::de::{Error, Expected, Unexpected};

/// A fault in a configuration, with the key at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    key: String,
    message: String,
    value: ValueIn,
}

/// Whether a message has the value at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ValueIn {
    /// The message has it, or needs none.
    Message,
    /// The message is of code that does not know it.
    Nothing,
    /// The message is a hint for a kind of value that serde does not know.
    Kind(String),
}

impl ConfigError {
    /// The path of the key as the document spells it: `ranges[0][1].rangeStart`. Empty for the document as a whole.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What was found and what is expected, without the key: one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same fault for a document that is itself the value of `key` in a larger one.
    #[must_use]
    pub fn under(mut self, key: &str) -> Self {
        let dot = if self.key.is_empty() || self.key.starts_with('[') { "" } else { "." };
        self.key.insert_str(0, dot);
        self.key.insert_str(0, key);
        self
    }

    pub(crate) fn syntax(error: &impl Display) -> Self {
        Self { key: String::new(), message: format!("this is not JSON: {error}"), value: ValueIn::Message }
    }

    /// Whether a list or an object has to be shown in place of the value.
    pub(crate) fn is_of_a_kind(&self) -> bool {
        matches!(self.value, ValueIn::Kind(_))
    }

    pub(crate) fn under_index(mut self, index: usize) -> Self {
        let dot = if self.key.is_empty() || self.key.starts_with('[') { "" } else { "." };
        self.key.insert_str(0, &format!("[{index}]{dot}"));
        self
    }

    /// Adds the value to a message that came from outside of serde's vocabulary, and what it was read as.
    pub(crate) fn found(mut self, found: Unexpected<'_>, expected: Option<&str>) -> Self {
        self.message = match (&self.value, expected) {
            (ValueIn::Message, _) => return self,
            (ValueIn::Kind(kind), _) => format!("invalid {kind} {}: {}", Written(found), self.message),
            (ValueIn::Nothing, Some(expected)) => {
                format!("found {}, expected {expected} ({})", Found(found), self.message)
            }
            (ValueIn::Nothing, None) => format!("found {}: {}", Found(found), self.message),
        };
        self.value = ValueIn::Message;
        self
    }

    fn mismatch(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        if let Unexpected::Other(kind) = found {
            return Self { key: String::new(), message: expected, value: ValueIn::Kind(kind.to_owned()) };
        }
        let unquoted = match found {
            Unexpected::Str(text) if is_unquoted(&expected, text) => {
                format!("; write {} without quotes", Shortened(text))
            }
            _ => String::new(),
        };
        let message = format!("found {}, expected {}{unquoted}", Found(found), in_words(&expected));
        Self { key: String::new(), message, value: ValueIn::Message }
    }

    fn of_key(key: &str, message: String) -> Self {
        Self { key: key.to_owned(), message, value: ValueIn::Message }
    }
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.key, self.message) }
    }
}

impl std::error::Error for ConfigError {}

impl Error for ConfigError {
    fn custom<T: Display>(message: T) -> Self {
        Self { key: String::new(), message: message.to_string(), value: ValueIn::Nothing }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::mismatch(found, expected)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::mismatch(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let message = format!("found a list of {length}, expected {}", in_words(&expected.to_string()));
        Self { key: String::new(), message, value: ValueIn::Message }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let message = format!("found {variant:?}, expected {}", one_of(expected));
        Self { key: String::new(), message, value: ValueIn::Message }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::of_key(field, format!("found an unknown key, expected {}", one_of(expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of_key(field, "found nothing, but this key is required".to_owned())
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::of_key(field, "found this key under two names, expected one".to_owned())
    }
}

/// A value as a reader of the document sees it.
struct Found<'a>(Unexpected<'a>);

impl Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Bool(value) => write!(f, "{value}"),
            Unexpected::Unsigned(value) => write!(f, "the number {value}"),
            Unexpected::Signed(value) => write!(f, "the number {value}"),
            Unexpected::Float(value) => write!(f, "the number {}", Decimal(value)),
            Unexpected::Str(text) => write!(f, "{:?}", Shortened(text)),
            Unexpected::Unit | Unexpected::Option => f.write_str("null"),
            Unexpected::Seq => f.write_str("a list"),
            Unexpected::Map => f.write_str("an object"),
            _ => f.write_str("something else"),
        }
    }
}

/// A value as it is in the document, but short.
struct Written<'a>(Unexpected<'a>);

impl Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Unsigned(value) => write!(f, "{value}"),
            Unexpected::Signed(value) => write!(f, "{value}"),
            Unexpected::Float(value) => write!(f, "{}", Decimal(value)),
            Unexpected::Seq => f.write_str("[…]"),
            Unexpected::Map => f.write_str("{…}"),
            other => write!(f, "{}", Found(other)),
        }
    }
}

/// A fraction with up to six digits. Rust's own exact printing of floats would be a tenth of a policy's size.
struct Decimal(f64);

impl Display for Decimal {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Within the bounds that are checked first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MILLION: u64 = 1_000_000;
        let (sign, size) = (if self.0 < 0.0 { "-" } else { "" }, self.0.abs());
        if size >= 1e12 {
            return write!(f, "{sign}1000000000000 or beyond");
        }
        let millionths = (size * 1e6).round() as u64;
        let fraction = format!("{:06}", millionths % MILLION);
        let fraction = match fraction.trim_end_matches('0') {
            "" => "0",
            digits => digits,
        };
        write!(f, "{sign}{}.{fraction}", millionths / MILLION)
    }
}

/// A text of which a message shows no more than a line.
struct Shortened<'a>(&'a str);

impl fmt::Debug for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(100) {
            Some((end, _)) => write!(f, "{:?}…", &self.0[..end]),
            None => write!(f, "{:?}", self.0),
        }
    }
}

impl Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(100) {
            Some((end, _)) => write!(f, "{}…", &self.0[..end]),
            None => f.write_str(self.0),
        }
    }
}

/// What a Rust type expects, in the words of JSON.
fn in_words(expected: &str) -> String {
    let (low, high) = match expected {
        "i8" => (i64::from(i8::MIN), i64::from(i8::MAX)),
        "i16" => (i64::from(i16::MIN), i64::from(i16::MAX)),
        "i32" => (i64::from(i32::MIN), i64::from(i32::MAX)),
        "u8" => (0, i64::from(u8::MAX)),
        "u16" => (0, i64::from(u16::MAX)),
        "u32" => (0, i64::from(u32::MAX)),
        // Their limits are the machine's and tell a reader nothing.
        "i64" | "isize" => return "a whole number".to_owned(),
        "u64" | "usize" => return "a whole number, 0 or more".to_owned(),
        "f32" | "f64" => return "a number".to_owned(),
        "a boolean" => return "true or false".to_owned(),
        "a sequence" => return "a list".to_owned(),
        "a map" => return "an object".to_owned(),
        "option" => return "a value or null".to_owned(),
        _ if expected.starts_with("struct ") => return "an object".to_owned(),
        _ if expected.starts_with("enum ") => return "a name or an object with one key".to_owned(),
        _ => return expected.to_owned(),
    };
    format!("a whole number from {low} to {high}")
}

/// Whether a type that is expected is a number's or a boolean's: then quotes around one are the likely fault.
fn is_unquoted(expected: &str, text: &str) -> bool {
    match expected {
        "a boolean" => ["true", "false"].contains(&text),
        "i8" | "i16" | "i32" | "i64" | "isize" | "u8" | "u16" | "u32" | "u64" | "usize" => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
        }
        _ => false,
    }
}

fn one_of(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        [name] => format!("{name:?}"),
        [names @ .., last] => {
            let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
            format!("{} or {last:?}", names.join(", "))
        }
    }
}
