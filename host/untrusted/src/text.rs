//! Text of others on its way to people: whatever is in it, a terminal shows it as text, and one line stays one line.
//!
//! Escaped are control characters (of ASCII and C1), line breaks, everything invisible or that turns the direction of
//! writing, and characters that combine with the one before. Backslashes stay as they are: a text that was escaped
//! before is not escaped again.

use std::borrow::Cow;
use std::fmt::Write;

/// A text as part of a line.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_shown) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::new(), |mut escaped, character| {
        if is_shown(character) {
            escaped.push(character);
        } else {
            escaped.extend(character.escape_debug());
        }
        escaped
    }))
}

/// A text of several lines, which stay lines; each ends with a line break.
pub fn lines(text: &str) -> String {
    text.lines().fold(String::new(), |all, one| all + &line(one) + "\n")
}

/// Text of JSON that means exactly the same and holds nothing that a terminal obeys: only in its strings can there be
/// such characters, and there each has an escape of JSON's own.
pub fn json(text: &str) -> Cow<'_, str> {
    let is_safe = |character: char| character == '\n' || is_shown(character);
    if text.chars().all(is_safe) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::new(), |mut escaped, character| {
        if is_safe(character) {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
        escaped
    }))
}

fn is_shown(character: char) -> bool {
    // The escape is the standard library's knowledge of what can be printed; of these three it escapes them for quoting.
    matches!(character, '\\' | '"' | '\'') || character.escape_debug().len() == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown_as_text() {
        let cases = [
            ("\u{1b}[31mred\u{7}", r"\u{1b}[31mred\u{7}"),
            ("one\ntwo\r\tthree", r"one\ntwo\r\tthree"),
            ("\u{9b}31m\u{7f}\0", r"\u{9b}31m\u{7f}\0"),
            ("a\u{202e}b\u{2066}c\u{200f}", r"a\u{202e}b\u{2066}c\u{200f}"),
            ("\u{2028}\u{2029}\u{85}\u{feff}\u{200b}\u{ad}", r"\u{2028}\u{2029}\u{85}\u{feff}\u{200b}\u{ad}"),
            ("e\u{301}\u{e0041}", r"e\u{301}\u{e0041}"),
        ];
        for (text, expected) in cases {
            assert_eq!(line(text), expected);
        }
        for plain in ["", "plain", "Grüße, 日本 «x»", r#"C:\a "b" 'c'"#, r"\u{1b}"] {
            assert!(matches!(line(plain), Cow::Borrowed(same) if same == plain), "{plain}");
        }
        assert_eq!(lines("one\u{1b}\n\ntwo"), "one\\u{1b}\n\ntwo\n");
    }

    proptest! {
        #[test]
        fn a_line_stays_one_and_is_escaped_once(text in any::<String>()) {
            let escaped = line(&text).into_owned();
            prop_assert!(!escaped.chars().any(char::is_control));
            prop_assert_eq!(line(&escaped), escaped.as_str());
        }

        #[test]
        fn json_stays_the_same_data(text in any::<String>()) {
            // A string of JSON with every character as it is, where JSON permits that.
            let quoted: String = text.chars().filter(|c| !matches!(c, '"' | '\\' | '\0'..='\u{1f}')).collect();
            let escaped = json(&quoted).into_owned();
            prop_assert!(escaped.chars().all(is_shown));
            prop_assert_eq!(unescaped(&escaped), quoted);
        }
    }

    fn unescaped(text: &str) -> String {
        let mut units = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some(digits) = rest.strip_prefix("\\u") {
                units.push(u16::from_str_radix(&digits[..4], 16).unwrap());
                rest = &digits[4..];
            } else {
                units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
                rest = &rest[character.len_utf8()..];
            }
        }
        String::from_utf16(&units).unwrap()
    }
}
