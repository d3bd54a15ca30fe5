//! How an answer is printed: which keys come in which order, the indentation, the line breaks. Values are compared elsewhere.

use serde_json::Value;

use crate::observation::{Answer, Observation};

/// What is another one on every run, or tolerated and compared as a value: the lines of these keys are left out.
const LEFT_OUT: [&str; 6] = ["\"mtu\"", "\"advmss\"", "\"priority\"", "\"table\"", "\"scope\"", "\"dns\": {}"];

/// Both texts without what may differ in two answers that say the same.
pub(crate) fn alike(theirs: &Observation, ours: &Observation) -> (String, String) {
    match (&theirs.answer, &ours.answer) {
        (Answer::Result(their), Answer::Result(our)) => (result(&theirs.text, their), result(&ours.text, our)),
        (Answer::Error { .. }, Answer::Error { .. }) => {
            let with_details = |seen: &Observation| seen.text.contains("\n    \"details\": ");
            let both = with_details(theirs) == with_details(ours);
            (error(&theirs.text, both), error(&ours.text, both))
        }
        _ => (String::new(), String::new()),
    }
}

/// A result: VERSION's is one line.
fn result(text: &str, result: &Value) -> String {
    let text = text.replace("\"cniVersion\":\"1.1.0\"", "\"cniVersion\":\"1.0.0\"").replace(",\"1.1.0\"]", "]");
    let mut text = without_commas(&text, |line| LEFT_OUT.iter().any(|key| line.starts_with(key)));
    for interface in result["interfaces"].as_array().into_iter().flatten() {
        for (key, value) in [("mac", &interface["mac"]), ("name", &interface["name"])] {
            // Both sides' have the same values, or a fact says so.
            text = text.replace(&format!("\"{key}\": {value}"), &format!("\"{key}\": …"));
        }
    }
    text
}

/// An error's keys: ours has its version first ("Error codes"), and perhaps other details.
fn error(text: &str, both_have_details: bool) -> String {
    let is_left_out =
        |line: &str| line.starts_with("\"cniVersion\"") || !both_have_details && line.starts_with("\"details\"");
    let text = without_commas(text, is_left_out);
    let key = |line: &str| line.split_once(": ").map_or(line, |(key, _)| key).to_owned() + "\n";
    text.split_inclusive('\n').map(|line| if line.ends_with('\n') { key(line.trim_end()) } else { key(line) }).collect()
}

/// Whether there is a comma follows from whether there is another line.
fn without_commas(text: &str, is_left_out: impl Fn(&str) -> bool) -> String {
    let lines = text.split_inclusive('\n').filter(|line| !is_left_out(line.trim_start()));
    lines.map(|line| line.replace(",\n", "\n")).collect()
}
