#![allow(clippy::needless_pass_by_value, reason = "the tests pass literals")]

use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(clippy::struct_field_names, reason = "CNI's name")]
struct Range {
    subnet: String,
    range_start: Option<IpAddr>,
    size: u8,
}

#[derive(Debug, PartialEq, Deserialize)]
enum Routing {
    #[serde(rename = "direct")]
    Direct,
    #[serde(rename = "vxlan")]
    Vxlan { port: u16 },
    #[serde(rename = "through")]
    Through(IpAddr),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    name: String,
    #[serde(default = "yes")]
    masquerade: bool,
    #[serde(default)]
    ranges: Vec<Vec<Range>>,
    #[serde(default)]
    pools: BTreeMap<String, Range>,
    routing: Option<Routing>,
    #[serde(default)]
    rest: Value,
}

fn yes() -> bool {
    true
}

fn read(value: Value) -> Config {
    let from_value = from_value(&value).unwrap();
    assert_eq!(from_str::<Config>(&value.to_string()).unwrap(), from_value);
    assert_eq!(from_map::<Config>(value.as_object().unwrap()).unwrap(), from_value);
    from_value
}

fn fault(value: Value) -> String {
    let fault = from_value::<Config>(&value).unwrap_err().to_string();
    assert_eq!(from_str::<Config>(&value.to_string()).unwrap_err().to_string(), fault);
    fault
}

#[test]
fn keys_match_in_any_case_at_every_depth() {
    let config = read(json!({"NAME": "n", "RANGES": [[{"RangeStart": "10.0.0.1", "SUBNET": "s"}]]}));
    assert_eq!(config.name, "n");
    assert_eq!(config.ranges[0][0].range_start, Some("10.0.0.1".parse().unwrap()));
    assert_eq!(config.ranges[0][0].subnet, "s");
}

#[test]
fn keys_of_maps_are_data_and_keep_their_case() {
    let config = read(json!({"name": "n", "pools": {"Team": {"Size": 1}, "team": {"size": 2}}}));
    assert_eq!(config.pools["Team"].size, 1);
    assert_eq!(config.pools["team"].size, 2);
}

#[test]
fn of_several_spellings_the_exact_one_wins_else_the_last() {
    let name = |text| from_str::<Config>(text).unwrap().name;
    assert_eq!(name(r#"{"name": "exact", "NAME": "other"}"#), "exact");
    assert_eq!(name(r#"{"NAME": "other", "name": "exact"}"#), "exact");
    assert_eq!(name(r#"{"Name": "first", "NAME": "last"}"#), "last");
    assert_eq!(name(r#"{"NAME": "first", "Name": "last"}"#), "last");
    assert_eq!(name(r#"{"name": "first", "name": "last"}"#), "last");
    assert_eq!(name(r#"{"NAME": "set", "name": null}"#), "set");
}

#[test]
fn repeated_keys_are_found_at_every_depth() {
    let found = |text: &str| {
        let keys = repeated_keys(text).unwrap().into_iter();
        keys.map(|key| (key.path(), key.is_spelt_alike)).collect::<Vec<_>>()
    };
    assert_eq!(found(r#"{"a": 1, "b": {"a": 2}, "c": [{"a": 3}, {"a": 4}]}"#), []);
    let nested = r#"{"b": [{"x": {"k": 1, "j": 0, "k": 2, "k": 3}}], "name": "n", "NAME": "m", "name": "n"}"#;
    assert_eq!(found(nested), [("name".to_owned(), false), ("b[0].x.k".to_owned(), true)]);
    assert!(repeated_keys("{").is_err());
}

#[test]
fn null_leaves_the_default() {
    let config = read(json!({"name": "n", "masquerade": null, "ranges": null, "Pools": null, "routing": null}));
    assert_eq!(config, read(json!({"name": "n"})));
    assert!(config.masquerade);
    assert_eq!(from_str::<Range>("null").unwrap(), Range::default());
}

#[test]
fn unknown_keys_are_ignored_whatever_they_hold() {
    let text = r#"{"name": "n", "x": [{"y": null}], "x": 1, "Z": 1e300}"#;
    assert_eq!(from_str::<Config>(text).unwrap(), read(json!({"name": "n"})));
}

#[test]
fn values_pass_through_untouched() {
    let rest = json!({"A": null, "a": [1, -1, 1.5, "x", true, {}], "big": u64::MAX});
    assert_eq!(read(json!({"name": "n", "rest": rest})).rest, rest);
}

#[test]
fn enums_are_names_or_objects_with_one_key() {
    let routing = |value| read(json!({"name": "n", "routing": value})).routing.unwrap();
    assert_eq!(routing(json!("direct")), Routing::Direct);
    assert_eq!(routing(json!({"vxlan": {"PORT": 1}})), Routing::Vxlan { port: 1 });
    assert_eq!(routing(json!({"through": "::1"})), Routing::Through("::1".parse().unwrap()));
}

#[test]
fn the_limits_of_the_machine_are_no_part_of_a_message() {
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Numbers {
        _signed: i64,
        _unsigned: u64,
    }
    let fault = |value: Value| from_value::<Numbers>(&value).unwrap_err().to_string();
    assert_eq!(
        fault(json!({"_signed": "-7"})),
        "_signed: found \"-7\", expected a whole number; write -7 without quotes"
    );
    assert_eq!(fault(json!({"_signed": "seven"})), "_signed: found \"seven\", expected a whole number");
    assert_eq!(fault(json!({"_unsigned": -7})), "_unsigned: found the number -7, expected a whole number, 0 or more");
}

#[test]
fn a_fault_names_its_key_what_was_found_and_what_is_expected() {
    let cases = [
        (json!({}), "name: found nothing, but this key is required"),
        (json!({"name": null}), "name: found nothing, but this key is required"),
        (json!({"NAME": 5}), "NAME: found the number 5, expected a string"),
        (
            json!({"name": "n", "masquerade": "true"}),
            "masquerade: found \"true\", expected true or false; write true without quotes",
        ),
        (json!({"name": "n", "ranges": {}}), "ranges: found an object, expected a list"),
        (json!({"name": "n", "ranges": ["s"]}), "ranges[0]: found \"s\", expected a list"),
        (json!({"name": "n", "ranges": [[], [{}, []]]}), "ranges[1][1]: found a list, expected an object"),
        (
            json!({"name": "n", "ranges": [[{}, {"RangeStart": "10.0.0.300"}]]}),
            "ranges[0][1].RangeStart: found \"10.0.0.300\", expected IP address (invalid IP address syntax)",
        ),
        (
            json!({"name": "n", "pools": {"a": {"size": 256}}}),
            "pools.a.size: found the number 256, expected a whole number from 0 to 255",
        ),
        (
            json!({"name": "n", "pools": {"a": {"size": 1.5}}}),
            "pools.a.size: found the number 1.5, expected a whole number from 0 to 255",
        ),
        (json!({"name": -0.000_25}), "name: found the number -0.00025, expected a string"),
        (json!({"name": 1e300}), "name: found the number 1000000000000 or beyond, expected a string"),
        (json!({"name": 12.0}), "name: found the number 12.0, expected a string"),
        (
            json!({"name": "n", "routing": "none"}),
            "routing: found \"none\", expected \"direct\", \"vxlan\" or \"through\"",
        ),
        (
            json!({"name": "n", "routing": {"vxlan": {"port": "x"}}}),
            "routing.vxlan.port: found \"x\", expected a whole number from 0 to 65535",
        ),
        (
            json!({"name": "n", "routing": {"vxlan": {"port": "4789"}}}),
            "routing.vxlan.port: found \"4789\", expected a whole number from 0 to 65535; write 4789 without quotes",
        ),
        (json!({"name": "n", "routing": "vxlan"}), "routing: found \"vxlan\", expected an object with this key"),
        (json!({"name": "n", "routing": 1}), "routing: found the number 1, expected a name or an object with one key"),
        (json!([]), "found a list, expected an object"),
    ];
    for (document, expected) in cases {
        assert_eq!(fault(document), expected);
    }
}

#[test]
fn a_reader_of_its_own_gets_the_value_into_its_complaint() {
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "String")]
    struct Even;
    impl TryFrom<String> for Even {
        type Error = &'static str;
        fn try_from(text: String) -> Result<Self, Self::Error> {
            if text.len().is_multiple_of(2) { Ok(Self) } else { Err("its length is odd") }
        }
    }
    #[derive(Debug, Deserialize)]
    struct Texts {
        #[expect(dead_code, reason = "read from JSON only")]
        all: Vec<Even>,
        #[expect(dead_code, reason = "read from JSON only")]
        one: Option<Even>,
    }
    let single = from_str::<Texts>(r#"{"all": [], "one": "odd"}"#).unwrap_err();
    assert_eq!(single.to_string(), "one: found \"odd\": its length is odd");
    let fault = from_str::<Texts>(r#"{"all": ["ok", "odd"]}"#).unwrap_err();
    assert_eq!(fault.key(), "all[1]");
    assert_eq!(fault.message(), "found \"odd\": its length is odd");
    assert_eq!(fault.under("texts").to_string(), "texts.all[1]: found \"odd\": its length is odd");
}

#[test]
fn a_value_with_a_form_of_its_own_is_repeated_before_the_hint() {
    use serde::de::{Deserializer, Error, Unexpected};
    fn even<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let number = Value::deserialize(from)?.as_u64().filter(|number| number.is_multiple_of(2));
        number.ok_or_else(|| D::Error::invalid_value(Unexpected::Other("pair count"), &"use 2, 4 or 6"))
    }
    #[derive(Debug, Deserialize)]
    struct Pairs {
        #[serde(deserialize_with = "even")]
        _count: u64,
    }
    let fault = |count: Value| from_value::<Pairs>(&json!({"_count": count})).unwrap_err().to_string();
    for (count, shown) in [(json!(3), "3"), (json!("x"), "\"x\""), (json!([1]), "[…]"), (json!({"a": 1}), "{…}")] {
        assert_eq!(fault(count), format!("_count: invalid pair count {shown}: use 2, 4 or 6"));
    }
}

#[test]
fn strict_structs_refuse_unknown_keys_by_name() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[expect(dead_code, reason = "read from JSON only")]
        one: Option<u8>,
    }
    #[derive(Debug, Deserialize)]
    struct Outer {
        #[expect(dead_code, reason = "read from JSON only")]
        inner: Strict,
    }
    let fault = from_str::<Outer>(r#"{"inner": {"ONE": 1, "two": 2}}"#).unwrap_err();
    assert_eq!(fault.to_string(), "inner.two: found an unknown key, expected \"one\"");
}

#[test]
fn long_texts_are_shown_in_part() {
    let fault = fault(json!({"name": "n", "masquerade": "ä".repeat(5_000)}));
    assert!(fault.len() < 300, "{fault}");
}

#[test]
fn texts_that_are_no_json_say_where() {
    let fault = from_str::<Config>("{\"name\": \n]").unwrap_err();
    assert_eq!(fault.key(), "");
    assert!(fault.message().starts_with("this is not JSON: expected value at line 2"), "{fault}");
    let deep = "[".repeat(100_000);
    assert!(from_str::<Config>(&deep).unwrap_err().message().contains("recursion limit"), "deep documents are refused");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,4}".prop_map(Value::from),
        prop::sample::select(vec!["direct", "vxlan", "10.0.0.1", "::"]).prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "name",
            "NAME",
            "ranges",
            "Ranges",
            "subnet",
            "rangeStart",
            "size",
            "pools",
            "routing",
            "vxlan",
            "through",
            "port",
            "masquerade",
            "rest",
        ])
        .prop_map(str::to_owned),
        ".{0,3}",
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_panics_and_every_fault_is_one_sentence(document in any_json()) {
        let by_value = from_value::<Config>(&document);
        if let Err(fault) = &by_value {
            prop_assert!(!fault.message().is_empty());
            prop_assert!(!fault.message().ends_with('.'));
        }
        let by_text = from_str::<Config>(&document.to_string());
        prop_assert_eq!(by_value.is_ok(), by_text.is_ok());
    }

    #[test]
    fn no_text_panics(text in "[\\[\\]{}\",:0-9a-z.\\-\\\\ ]{0,60}") {
        let _ = from_str::<Config>(&text);
        let _ = from_str::<Value>(&text);
    }

    #[test]
    fn what_serde_json_reads_is_read_alike(document in any_json()) {
        prop_assert_eq!(from_value::<Value>(&json!([document])).unwrap(), json!([document]));
    }
}
