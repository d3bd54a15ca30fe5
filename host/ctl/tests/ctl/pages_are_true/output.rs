//! What a command printed, beside what a page shows of it.

/// Numbers before these words differ from machine to machine, or with the compiler.
const UNITS: [&str; 11] = ["ms", "s", "µs", "kB", "KiB", "MB", "MiB", "bytes", "fuel", "host", "of"];

/// So do numbers after these.
const COSTS: [&str; 3] = ["fuel", "check-config", "allocate"];

/// Whether this is what the page shows.
pub(super) fn fits(shown: &str, printed: &str) -> bool {
    let [shown, printed] = [shown, printed].map(|text| text.trim_end().lines().map(plain).collect::<Vec<_>>());
    lines_fit(&shown, &printed)
}

fn lines_fit(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((any, rest)) if any.trim() == "…" => (0..=printed.len()).any(|at| lines_fit(rest, &printed[at..])),
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(first, more)| line_fits(line, first) && lines_fit(rest, more))
        }
    }
}

fn line_fits(shown: &str, printed: &str) -> bool {
    match shown.split_once('…') {
        None => shown == printed,
        Some((begin, rest)) => printed.strip_prefix(begin).is_some_and(|after| {
            after.char_indices().map(|(at, _)| at).chain([after.len()]).any(|at| line_fits(rest, &after[at..]))
        }),
    }
}

/// A line without what is different each time, and with one space where a table has several.
fn plain(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let indent = line.len() - line.trim_start().len();
    let trimmed = |word: &str| word.trim_matches(['(', ')', ',', ';', '.']).to_owned();
    let plain = |(index, word): (usize, &&str)| {
        let number = trimmed(word);
        let is_number = number.replace([',', '.'], "").parse::<u64>().is_ok();
        let follows = index > 0 && COSTS.contains(&&*trimmed(words[index - 1]));
        let precedes = words.get(index + 1).is_some_and(|next| UNITS.contains(&&*trimmed(next)));
        if is_number && (follows || precedes) { word.replace(&number, "N") } else { without_digest(word) }
    };
    " ".repeat(indent) + &words.iter().enumerate().map(plain).collect::<Vec<_>>().join(" ")
}

fn without_digest(word: &str) -> String {
    match word.split_once("sha256:") {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|it: char| it.is_ascii_hexdigit() || it == '…');
            format!("{before}sha256:HEX{}", rest.strip_prefix("HEX").unwrap_or(rest))
        }
        None if word.starts_with("20") && word.ends_with('Z') => "UTC".to_owned(),
        None => word.to_owned(),
    }
}

#[test]
fn costs_and_digests_are_not_compared_and_the_rest_is() {
    assert!(fits("a 1 ms, 5 fuel\n", "a   20 ms, 77 fuel\n"));
    assert!(fits("policy  sha256:HEX\n", "policy  sha256:0af3\n"));
    assert!(fits("sha256:9c…\n", "sha256:0af3…\n"));
    assert!(fits("begin\n…\nend\n", "begin\n1\n2\nend\n") && fits("a … d\n", "a b c d\n"));
    assert!(!fits("10.1.0.2\n", "10.1.0.3\n") && !fits("3 passed\n", "2 passed\n"));
    assert!(!fits("begin\n…\nend\n", "begin\n1\n") && !fits("a\n", "a\nb\n") && !fits("  a\n", "a\n"));
}
