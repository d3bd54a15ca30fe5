//! Policies that were built with a released version of the contract run on this host, and see and answer what they did.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use gingham_frozen::components::{expected, names, read};
use gingham_frozen::contract::{imported_functions, released};
use gingham_frozen::scenario::{Observed, run};

#[track_caller]
fn is_as_it_was(name: &str) -> Observed {
    let observed = run(name, &read(name));
    let (expected, got) = (expected(name), observed.text.as_str());
    let first = expected.lines().zip(got.lines()).position(|(one, other)| one != other);
    let line = first.unwrap_or_else(|| expected.lines().count().min(got.lines().count()));
    let at = |text: &str| text.lines().nth(line).unwrap_or("(nothing)").to_owned();
    assert!(
        expected == got,
        "{name} was built for a released version of the contract and runs differently on this host.\n\
         line {} of expected/{name}.txt\n  was  {}\n  is   {}\n\
         Mend the host: docs/policies/versions.md says what it must keep. Only a change of words in a message may change \
         the file: cargo run -p gingham-frozen -- run {name}",
        line + 1,
        at(&expected),
        at(got)
    );
    observed
}

fn is_of(name: &str, language: &str) -> bool {
    name.starts_with(&format!("{language}-"))
}

#[test]
fn rust() {
    let rust: Vec<String> = names().into_iter().filter(|name| is_of(name, "rust")).collect();
    assert!(rust.len() >= 3, "{rust:?}");
    let functions = released().iter().flat_map(imported_functions).collect::<BTreeSet<_>>();
    for name in rust {
        let called = is_as_it_was(&name).functions;
        let missed: Vec<&String> = functions.difference(&called).collect();
        assert!(missed.is_empty(), "{name} does not call {missed:?}");
    }
}

#[test]
fn every_version_of_the_bindings_sees_the_same() {
    let rust: BTreeSet<String> = names().iter().filter(|name| is_of(name, "rust")).map(|name| expected(name)).collect();
    assert_eq!(rust.len(), 1);
}

#[test]
fn c() {
    is_as_it_was("c-0.61.1");
}

#[test]
fn javascript() {
    is_as_it_was("javascript-0.61.1");
}

#[test]
fn python() {
    is_as_it_was("python-0.25.1");
}

#[test]
fn every_component_is_run() {
    let others: Vec<String> = names().into_iter().filter(|name| !is_of(name, "rust")).collect();
    assert_eq!(others, ["c-0.61.1", "javascript-0.61.1", "python-0.25.1"], "each has a test here");
}
