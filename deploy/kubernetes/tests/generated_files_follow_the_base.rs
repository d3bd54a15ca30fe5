//! What people apply is what the base says, whichever way they install it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gingham_manifests::{Base, generated};

fn directory() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

#[test]
fn the_files_in_the_repository_are_the_generated_ones() {
    for (path, text) in generated(&directory()).unwrap() {
        let present = fs::read_to_string(directory().join(&path)).unwrap_or_default();
        assert!(present == text, "{} is out of date: cargo run -p gingham-manifests", path.display());
    }
}

#[test]
fn nothing_else_is_in_the_chart() {
    let generated = generated(&directory()).unwrap();
    let mut stack = vec![directory().join("chart")];
    while let Some(next) = stack.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                stack.push(path);
            } else {
                let below = path.strip_prefix(directory()).unwrap();
                assert!(generated.contains_key(below), "{} is generated from nothing: remove it", below.display());
            }
        }
    }
}

/// As Helm renders the chart with its own values. The templates have nothing but values in braces.
fn rendered(template: &str, values: &BTreeMap<String, String>) -> String {
    let mut text = template.replace("{{ .Release.Namespace }}", "gingham-system");
    for (key, value) in values {
        text = text.replace(&format!("{{{{ .Values.{key} }}}}"), value);
    }
    assert!(!text.contains("{{") && !text.contains("}}"), "{text}");
    text
}

fn values() -> BTreeMap<String, String> {
    let text = fs::read_to_string(directory().join("chart/values.yaml")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (key, value) = line.split_once(": ").unwrap();
            (key.to_owned(), value.trim_matches('"').to_owned())
        })
        .collect()
}

#[test]
fn the_chart_with_its_own_values_is_the_base() {
    let (base, values) = (Base::read(&directory().join("base")).unwrap(), values());
    assert!(values.len() >= 6, "{values:?}");
    for (name, text) in &base.resources {
        let at = |path: &str| fs::read_to_string(directory().join("chart").join(path)).unwrap();
        match name.as_str() {
            "namespace.yaml" => assert!(!Path::new(&directory().join("chart/templates/namespace.yaml")).exists()),
            crd if crd.starts_with("crds/") => assert_eq!(&at(crd), text),
            other => assert_eq!(&rendered(&at(&format!("templates/{other}")), &values), text),
        }
    }
}

#[test]
fn every_value_is_used() {
    for key in values().keys() {
        let used = ["network.yaml", "daemonset.yaml"].iter().any(|template| {
            let text = fs::read_to_string(directory().join("chart/templates").join(template)).unwrap();
            text.contains(&format!("{{{{ .Values.{key} }}}}"))
        });
        assert!(used, "{key}");
    }
}
