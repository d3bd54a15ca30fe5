//! Bytes of a policy's state in a trace, where the engine writes them as Rust does: text is shown as text, other bytes
//! in hex.

/// The same line of a trace, with `b"10.1.0.2"` as `"10.1.0.2"` and `b"\x00\xff"` as `0x00ff`.
pub(super) fn in_words(line: &str) -> String {
    let mut words = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('"') {
        let Some(end) = end_of_quoted(&rest[at..]) else { break };
        let (before, quoted) = (&rest[..at], &rest[at..at + end]);
        match before.strip_suffix('b').filter(|before| !before.ends_with(|last: char| last.is_alphanumeric())) {
            Some(before) => {
                words.push_str(before);
                words.push_str(&shown(&unescaped(&quoted[1..quoted.len() - 1])));
            }
            None => words.extend([before, quoted]),
        }
        rest = &rest[at + end..];
    }
    words + rest
}

/// Where a text that begins with a quotation mark ends, the second mark included.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    let closes = |(_, byte): &(usize, u8)| {
        let closes = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        closes
    };
    text.bytes().enumerate().skip(1).find(closes).map(|(at, _)| at + 1)
}

/// The bytes that `escape_ascii` wrote.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => bytes.push(b'\n'),
            Some(b'r') => bytes.push(b'\r'),
            Some(b't') => bytes.push(b'\t'),
            Some(b'x') => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).unwrap_or(0);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                bytes.extend(u8::try_from(high * 16 + low));
            }
            other => bytes.extend(other),
        }
    }
    bytes
}

fn shown(bytes: &[u8]) -> String {
    let is_plain = |it: char| !it.is_control() || matches!(it, '\n' | '\r' | '\t');
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(is_plain) => format!("{text:?}"),
        _ => bytes.iter().fold("0x".to_owned(), |hex, byte| format!("{hex}{byte:02x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_text_and_other_bytes_in_hex() {
        for (line, expected) in [
            (r#""last/0", b"10.1.0.2""#, r#""last/0", "10.1.0.2""#),
            (r#"b"\x00\xff\n" and 3 bytes more"#, "0x00ff0a and 3 bytes more"),
            (r#"b"na\xc3\xafve \"x\" \\""#, r#""naïve \"x\" \\""#),
            (r#"b"""#, r#""""#),
            (r#""a \"b", none"#, r#""a \"b", none"#),
            (r#"ab"x", [b"1", b"2"]"#, r#"ab"x", ["1", "2"]"#),
            ("10.1.0.1-10.1.0.6, 3", "10.1.0.1-10.1.0.6, 3"),
        ] {
            assert_eq!(in_words(line), expected);
        }
    }
}
