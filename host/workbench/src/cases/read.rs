//! Reading a file of cases: what is wrong is named with its line, and a misspelt key with the one that was meant.

use serde_json::{Map, Value};
use toml::Spanned;

use super::file::{Case, CaseFile};
use super::not_json::{NotJson, not_json};
use super::step::StepError;

/// A file that holds no cases.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("line {line}: {message}")]
    Syntax { line: usize, message: String },
    #[error("line {line}: unknown key `{key}`{}", meant(.known.as_ref()))]
    UnknownKey {
        line: usize,
        key: String,
        /// The key that was meant, and all that there are.
        known: Option<String>,
    },
    #[error("line {line}: case {case:?}, step {step}: {source}")]
    Step { line: usize, case: String, step: usize, source: StepError },
    #[error("line {line}: the case has no name: give it `name = \"…\"`")]
    NoName { line: usize },
    #[error("line {line}: the name {name:?} is that of an earlier case: give each case its own")]
    SameName { line: usize, name: String },
    #[error("line {line}: case {case:?} has no step, so it checks nothing: begin one with [[case.step]]")]
    NoStep { line: usize, case: String },
    #[error("line {line}: {source}")]
    NotJson { line: usize, source: NotJson },
    #[error("there is no case in it: begin one with [[case]]")]
    Empty,
}

impl ReadError {
    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        match self {
            Self::Syntax { line, .. }
            | Self::UnknownKey { line, .. }
            | Self::Step { line, .. }
            | Self::NoName { line }
            | Self::NoStep { line, .. }
            | Self::NotJson { line, .. }
            | Self::SameName { line, .. } => *line,
            Self::Empty => 1,
        }
    }
}

fn meant(known: Option<&String>) -> String {
    known.map(|known| format!(": did you mean `{known}`?")).unwrap_or_default()
}

/// Reads a file of cases.
pub fn read(text: &str) -> Result<CaseFile, ReadError> {
    let file = read_situations(text)?;
    match file.cases.iter().find(|case| case.get_ref().steps.is_empty()) {
        None => Ok(file),
        Some(case) => {
            let (line, case) = (line_at(text, case.span().start), case.get_ref().name.clone());
            Err(ReadError::NoStep { line, case })
        }
    }
}

/// The same of a file whose cases may have no steps: what is there before them is used alone.
pub fn read_situations(text: &str) -> Result<CaseFile, ReadError> {
    let file: CaseFile = toml::from_str(text).map_err(|error| read_error(text, &error))?;
    if file.cases.is_empty() {
        return Err(ReadError::Empty);
    }
    let mut names = std::collections::BTreeSet::new();
    for case in &file.cases {
        let (line, name) = (line_at(text, case.span().start), &case.get_ref().name);
        if name.is_empty() {
            return Err(ReadError::NoName { line });
        }
        if !names.insert(name) {
            return Err(ReadError::SameName { line, name: name.clone() });
        }
    }
    check_configuration(text, 0, file.config.as_ref())?;
    file.cases.iter().try_for_each(|case| check_case(text, case))?;
    Ok(file)
}

fn check_case(text: &str, case: &Spanned<Case>) -> Result<(), ReadError> {
    let Case { steps, config, .. } = case.get_ref();
    check_configuration(text, case.span().start, config.as_ref())?;
    for step in steps {
        check_configuration(text, step.span().start, step.get_ref().reconfigure.as_ref())?;
    }
    check_steps(text, case)
}

/// `from` is where the configuration is looked for, to name the line.
fn check_configuration(text: &str, from: usize, config: Option<&Map<String, Value>>) -> Result<(), ReadError> {
    let Some(source) = config.and_then(not_json) else { return Ok(()) };
    let within = text.get(from..).and_then(|rest| rest.find(source.key()));
    Err(ReadError::NotJson { line: line_at(text, from + within.unwrap_or(0)), source })
}

fn check_steps(text: &str, case: &Spanned<Case>) -> Result<(), ReadError> {
    for (index, step) in case.get_ref().steps.iter().enumerate() {
        step.get_ref().action().map_err(|source| ReadError::Step {
            line: line_at(text, step.span().start),
            case: case.get_ref().name.clone(),
            step: index + 1,
            source,
        })?;
    }
    Ok(())
}

/// The line of a byte, counted from 1.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    before.split(|byte| *byte == b'\n').count()
}

fn read_error(text: &str, error: &toml::de::Error) -> ReadError {
    let line = line_at(text, error.span().map_or(0, |span| span.start));
    match unknown_key(error.message()) {
        Some((key, known)) => ReadError::UnknownKey { line, known: nearest(&key, &known), key },
        None => ReadError::Syntax { line, message: plain(error.message()) },
    }
}

/// serde names Rust's types, and what TOML calls otherwise.
fn plain(message: &str) -> String {
    const WORDS: [(&str, &str); 6] = [
        ("unknown variant", "unknown value"),
        ("invalid type: map,", "invalid type: table,"),
        ("invalid type: sequence,", "invalid type: list,"),
        ("expected a map", "expected a table"),
        ("expected a sequence", "expected a list"),
        ("missing field", "missing key"),
    ];
    let message = WORDS.iter().fold(message.trim_end().to_owned(), |message, (word, plain)| {
        match (message.strip_prefix(word), message.strip_suffix(word)) {
            (Some(rest), _) => format!("{plain}{rest}"),
            (None, Some(rest)) => format!("{rest}{plain}"),
            (None, None) => message,
        }
    });
    numbers_in_words(&message)
}

fn numbers_in_words(message: &str) -> String {
    // TOML's integers have 64 bits with a sign.
    let types = [
        ("u8", u64::from(u8::MAX)),
        ("u32", u64::from(u32::MAX)),
        ("u64", i64::MAX as u64),
        ("usize", i64::MAX as u64),
    ];
    let expected = |name: &str| format!("expected {name}");
    let of_type = types.iter().find(|(name, _)| message.ends_with(&expected(name)));
    of_type.map_or_else(
        || message.to_owned(),
        |(name, most)| message.replace(&expected(name), &format!("expected a whole number from 0 to {most}")),
    )
}

/// serde's sentence about a key that a struct does not have, taken apart; the tests hold the text.
fn unknown_key(message: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let mut quoted = rest.split('`').step_by(2).map(str::to_owned);
    Some((quoted.next()?, quoted.collect()))
}

/// The known key that looks most like this one, if one does.
fn nearest(key: &str, known: &[String]) -> Option<String> {
    let likeness = |known: &String| strsim::jaro_winkler(key, known);
    let best = known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(best) > 0.7).then(|| best.clone())
}
