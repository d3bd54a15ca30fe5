//! Whatever a runtime sends, the plugin does not panic, and a failure is exactly one JSON object with a code and a
//! message on standard output.
//!
//! The configurations here end before anything is touched: in a namespace that does not exist, in a role that is
//! nobody's, or in a key at fault.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::ffi::OsString;

use gingham::Answer;
use proptest::prelude::*;
use serde_json::Value;

fn run(variables: &[(&str, &str)], input: &[u8]) -> Answer {
    let variable = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
    gingham::run("gingham", variable, &mut &*input, &mut Vec::new())
}

fn add(input: &str) -> Value {
    let answer = run(
        &[
            ("CNI_COMMAND", "ADD"),
            ("CNI_CONTAINERID", "c1"),
            ("CNI_NETNS", "/nowhere/netns"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", "/nowhere"),
        ],
        input.as_bytes(),
    );
    let Answer::Failure(error) = answer else { panic!("{input}: {answer:?}") };
    serde_json::from_str(&error).unwrap()
}

fn code(error: &Value) -> u64 {
    error["code"].as_u64().unwrap()
}

#[test]
fn each_kind_of_fault_has_its_code() {
    let main = r#""name":"n","type":"gingham","cniVersion":"1.0.0""#;
    let cases = [
        (String::new(), 6),
        ("{}".to_owned(), 7),
        (r#"{"name":7}"#.to_owned(), 6),
        (r#"{"name":"n","cniVersion":"9.9.9","type":"gingham"}"#.to_owned(), 1),
        (r#"{"name":"n","type":"other"}"#.to_owned(), 7),
        (format!(r#"{{{main},"vlan":4095}}"#), 7),
        (format!(r#"{{{main},"mtu":"big"}}"#), 7),
        (format!(r#"{{{main},"runtimeConfig":{{"mac":"x"}}}}"#), 7),
        (format!(r#"{{{main},"ipam":{{"type":"gingham"}}}}"#), 7),
        (format!("{{{main}}}"), 8),
    ];
    for (input, expected) in cases {
        let error = add(&input);
        assert_eq!(code(&error), expected, "{input}: {error}");
        assert!(!error["msg"].as_str().unwrap().is_empty());
    }
}

#[test]
fn the_error_has_the_configurations_version() {
    assert_eq!(add(r#"{"name":"n","type":"other","cniVersion":"0.3.1"}"#)["cniVersion"], "0.3.1");
    assert_eq!(add(r#"{"name":"n","type":"other","cniVersion":"9.9.9"}"#)["cniVersion"], "1.1.0");
}

#[test]
fn layer_2_has_no_words_in_the_oldest_versions() {
    // Refused before the namespace is looked at: code 7, not 8.
    let error = add(r#"{"name":"n","type":"gingham","cniVersion":"0.2.0"}"#);
    assert_eq!(code(&error), 7);
    assert!(error["msg"].as_str().unwrap().contains("no valid IP addresses"));
}

#[test]
fn the_plugins_own_namespace_is_refused_before_anything_is_done() {
    let variables = [
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_NETNS", "/proc/thread-self/ns/net"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_PATH", "/nowhere"),
    ];
    let Answer::Failure(error) = run(&variables, br#"{"name":"n","type":"gingham","cniVersion":"1.0.0"}"#) else {
        panic!("accepted");
    };
    let error: Value = serde_json::from_str(&error).unwrap();
    assert_eq!(code(&error), 8);
    assert_eq!(error["msg"], "plugin's netns and netns from CNI_NETNS should not be the same");
}

#[test]
fn version_and_about_read_no_configuration() {
    let mut output = Vec::new();
    let variable = |name: &str| (name == "CNI_COMMAND").then(|| "VERSION".into());
    assert_eq!(gingham::run("gingham", variable, &mut &b"nonsense"[..], &mut output), Answer::Success);
    assert!(String::from_utf8(output).unwrap().contains("1.1.0"));
    assert!(matches!(run(&[], b"nonsense"), Answer::About(text) if text.starts_with("CNI gingham plugin")));
}

#[test]
fn an_unknown_verb_is_reported_after_the_configuration() {
    let Answer::Failure(error) = run(&[("CNI_COMMAND", "GO")], b"{}") else { panic!("accepted") };
    assert!(error.contains("missing network name"), "{error}");
    let Answer::Failure(error) = run(&[("CNI_COMMAND", "GO")], br#"{"name":"n"}"#) else { panic!("accepted") };
    assert!(error.contains("unknown CNI_COMMAND: GO"), "{error}");
}

/// Standard output that takes some bytes and then fails.
struct Torn(usize);

impl std::io::Write for Torn {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = self.0.min(bytes.len());
        self.0 -= taken;
        if taken == 0 { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_answer_that_is_torn_is_undelivered() {
    let variable = |name: &str| (name == "CNI_COMMAND").then(|| "VERSION".into());
    let Answer::Undelivered(text) = gingham::run("gingham", variable, &mut &b""[..], &mut Torn(7)) else {
        panic!("delivered");
    };
    assert!(text.starts_with("standard output: cannot write the result: broken pipe"), "{text}");
}

#[test]
fn an_input_without_end_is_refused() {
    let variable = |name: &str| match name {
        "CNI_COMMAND" => Some("STATUS".into()),
        "CNI_PATH" => Some("/nowhere".into()),
        _ => None,
    };
    let Answer::Failure(error) = gingham::run("gingham", variable, &mut std::io::repeat(b' '), &mut Vec::new()) else {
        panic!("accepted");
    };
    let error: Value = serde_json::from_str(&error).unwrap();
    assert_eq!(code(&error), 6);
    assert!(error["msg"].as_str().unwrap().starts_with("standard input: more than 16777216 bytes"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_and_no_environment_break_it(
        verb in "ADD|DEL|CHECK|GC|STATUS|\\PC{0,5}",
        container in "\\PC{0,8}",
        interface in "\\PC{0,18}",
        arguments in "(IP|MAC|X|=|;|10.0.0.1|\\PC){0,8}",
        input in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..100),
            "\\{\"name\":\"[a-z/]{1,3}\",\"type\":\"(none|gingham)\",\"(mtu|ipam|bridge|args)\":(1|\"x\"|null|\\{\\}|\\[\\])\\}"
                .prop_map(String::into_bytes),
        ],
    ) {
        // DEL, GC and STATUS of a good configuration have something to do: give them a name that is nobody's.
        let program = if ["DEL", "GC", "STATUS"].contains(&verb.as_str()) { "nobody" } else { "gingham" };
        let variables = [
            ("CNI_COMMAND", verb.as_str()),
            ("CNI_CONTAINERID", container.as_str()),
            ("CNI_NETNS", "/nowhere/netns"),
            ("CNI_IFNAME", interface.as_str()),
            ("CNI_ARGS", arguments.as_str()),
            ("CNI_PATH", "/nowhere"),
        ];
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        match gingham::run(program, variable, &mut &*input, &mut Vec::new()) {
            Answer::Failure(error) => {
                let error: Value = serde_json::from_str(&error).unwrap();
                prop_assert!(error["code"].is_u64() && error["msg"].is_string() && error["cniVersion"].is_string());
            }
            Answer::Success => prop_assert_eq!(verb.as_str(), "VERSION"),
            Answer::Undelivered(text) => prop_assert!(false, "{}", text),
            Answer::About(_) => prop_assert!(verb.is_empty()),
        }
    }
}
