//! A policy is the same after its way through a registry, and is installed with a record of that way.

use std::fs;

use gingham_builtin::BUILT_IN;

use super::harness::{ADDRESS, Authority, REFERENCE, Registry, Service, text, with_registry};
use crate::program::scrubbed;

#[test]
fn a_policy_is_pushed_and_pulled_by_tag_and_digest() {
    with_registry(|shop| {
        let _registry = Registry::start(shop, &Service::default());
        let policy = shop.policy();
        let said = shop.plain(&["push", text(&policy), REFERENCE]).done();
        insta::assert_snapshot!("pushed", scrubbed(&said));
        let pushed = shop.push();
        assert_eq!(
            (pushed["reference"].as_str(), pushed["digest"].as_str()),
            (Some(REFERENCE), Some(BUILT_IN[0].digest))
        );
        // The manifest depends on nothing but the policy.
        assert!(said.contains(pushed["manifest"].as_str().unwrap()), "{said}");
        fs::remove_file(&policy).unwrap();
        let said = shop.plain(&["pull", REFERENCE]).done();
        insta::assert_snapshot!("pulled", scrubbed(&said));
        assert_eq!(fs::read(shop.path("sticky.wasm")).unwrap(), BUILT_IN[0].component());
        let said = shop.plain(&["pull", REFERENCE]).failed();
        assert!(said.contains("sticky.wasm exists already"), "{said}");
        let pinned = format!("{ADDRESS}/team/sticky@{}", pushed["manifest"].as_str().unwrap());
        let pulled = shop.json(&["pull", &pinned, "-o", "other.wasm"]);
        assert_eq!(
            (pulled["manifest"].clone(), pulled["file"].as_str()),
            (pushed["manifest"].clone(), Some("other.wasm"))
        );
        assert_eq!(fs::read(shop.path("other.wasm")).unwrap(), BUILT_IN[0].component());
    });
}

#[test]
fn what_is_installed_records_where_it_came_from() {
    with_registry(|shop| {
        let _registry = Registry::start(shop, &Service::default());
        let pushed = shop.push();
        fs::remove_file(shop.policy()).unwrap();
        let said = shop.plain(&["add", REFERENCE]).done();
        assert!(
            said.starts_with("Installed policy sticky,") && said.contains(&format!("  from     {REFERENCE}\n")),
            "{said}"
        );
        let row = shop.listed("sticky");
        assert_eq!((row["reference"].as_str(), &row["manifest"]), (Some(REFERENCE), &pushed["manifest"]));
        assert_eq!((row["digest"].as_str(), row["signer"].is_null()), (Some(BUILT_IN[0].digest), true));
        shop.ctl(&["recompile"]).done();
        assert_eq!(shop.listed("sticky"), row);
        let said = shop.ctl(&["inspect", "sticky"]).done();
        assert!(
            said.contains(&format!("  from         {REFERENCE}\n")) && said.contains("\n  since        20"),
            "{said}"
        );
        // The same policy, from a file: what is true now is recorded.
        assert!(shop.ctl(&["add", text(&shop.policy())]).done().contains("already installed"));
        assert!(shop.listed("sticky")["reference"].is_null());
    });
}

#[test]
fn an_entry_of_an_earlier_version_has_no_record_and_is_read() {
    with_registry(|shop| {
        shop.ctl(&["add", text(&shop.policy())]).done();
        let file = shop.path("library/names/sticky.json");
        let entry: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let keys: Vec<_> = entry.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["digest", "has_release", "installed_at", "size"], "as before there were records");
        assert!(shop.listed("sticky")["reference"].is_null());
        assert!(!shop.ctl(&["inspect", "sticky"]).done().contains("from"));
    });
}

#[test]
fn a_file_that_exists_is_meant_before_a_registry_and_a_digest_pins_both() {
    with_registry(|shop| {
        let _registry = Registry::start(shop, &Service::default());
        shop.push();
        let other = format!("sha256:{}", "0".repeat(64));
        let said = shop.plain(&["add", REFERENCE, "--digest", &other]).failed();
        assert!(said.contains(BUILT_IN[0].digest) && said.contains("as --digest requires"), "{said}");
        let said = shop.plain(&["add", &format!("{ADDRESS}/team/sticky@{other}")]).failed();
        assert!(said.contains("does not exist"), "{said}");
        assert!(!shop.path("library").exists());
        shop.write(REFERENCE, "no policy");
        let said = shop.plain(&["add", REFERENCE]).failed();
        assert!(said.contains("not a WebAssembly"), "{said}");
        let marked = format!("oci://{REFERENCE}");
        shop.plain(&["add", &marked, "--digest", BUILT_IN[0].digest, "--name", "s"]).done();
        assert_eq!(shop.listed("s")["reference"], REFERENCE);
    });
}

#[test]
fn what_does_not_exist_or_was_changed_on_the_registrys_disk_is_reported() {
    with_registry(|shop| {
        let registry = Registry::start(shop, &Service::default());
        let said = shop.plain(&["add", &format!("{ADDRESS}/nobody/none:1")]).failed();
        assert!(
            said.contains("127.0.0.1:5000/nobody/none:1 does not exist; check the repository and the tag"),
            "{said}"
        );
        let pushed = shop.push();
        let said = shop.plain(&["pull", &format!("{ADDRESS}/team/sticky:2.0"), "-o", "x.wasm"]).failed();
        assert!(said.contains("team/sticky:2.0 does not exist"), "{said}");
        let said = shop.plain(&["pull", &format!("{ADDRESS}/team/sticky"), "-o", "x.wasm"]).failed();
        assert!(said.contains("neither a tag nor a digest"), "{said}");
        let blob = registry.blob(pushed["digest"].as_str().unwrap());
        let mut bytes = fs::read(&blob).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&blob, bytes).unwrap();
        let said = shop.plain(&["add", REFERENCE]).failed();
        assert!(said.contains("damaged or was replaced") && said.contains(BUILT_IN[0].digest), "{said}");
        assert!(!shop.path("library").exists() && !shop.path("x.wasm").exists());
    });
}

#[test]
fn tls_wants_an_authority_that_is_trusted() {
    with_registry(|shop| {
        let authority = Authority::new(shop, "ours");
        let stranger = Authority::new(shop, "stranger");
        let _registry = Registry::start(shop, &Service { tls: Some(&authority), login: None });
        let policy = shop.policy();
        let push = |more: &[&str]| shop.ctl(&[&["push", text(&policy), REFERENCE][..], more].concat());
        for more in [&[][..], &["--ca", text(&stranger.file)]] {
            let said = push(more).failed();
            assert!(said.contains("is not trusted: no authority") && said.contains("--ca"), "{said}");
        }
        assert!(push(&["--ca", text(&policy)]).failed().contains("no usable certificate"));
        assert!(push(&["--ca", "missing.pem"]).failed().contains("cannot read the certificates in missing.pem"));
        push(&["--ca", text(&authority.file)]).done();
        shop.ctl(&["add", REFERENCE, "--ca", text(&authority.file)]).done();
    });
}

#[test]
fn a_registry_without_tls_is_named_as_such() {
    with_registry(|shop| {
        let registry = Registry::start(shop, &Service::default());
        let said = shop.ctl(&["add", REFERENCE]).failed();
        assert!(said.contains("127.0.0.1:5000 does not speak TLS") && said.contains("--plain-http"), "{said}");
        drop(registry);
        let said = shop.plain(&["add", REFERENCE]).failed();
        assert!(said.contains("cannot reach 127.0.0.1:5000: Connection refused"), "{said}");
    });
}
