//! With a trust file, nothing is installed that no rule permits; with a fault in it, nothing at all.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::harness::{REFERENCE, Registry, Service, Shop, on_a_host, text, with_registry};
use super::signatures::{SSH_KEYGEN, ecdsa_key, ssh_key};
use crate::program::Said;

/// A trust file and keys in a directory that only their owner can change.
fn trust(shop: &Shop, toml: &str) {
    let path = shop.write("etc/trust.toml", toml.replace("DIR", text(&shop.path("etc"))));
    let mode = |path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(path, 0o644);
    mode(shop.path("etc"), 0o755);
}

fn list_key(shop: &Shop, name: &str) {
    shop.write(&format!("etc/{name}.pub"), fs::read(shop.path(&format!("{name}.pub"))).unwrap());
    fs::set_permissions(shop.path(&format!("etc/{name}.pub")), fs::Permissions::from_mode(0o644)).unwrap();
}

fn add(shop: &Shop, policy: &str) -> Said {
    shop.plain(&["add", policy, "--trust", text(&shop.path("etc/trust.toml"))])
}

#[track_caller]
fn refuses(shop: &Shop, policy: &str, words: &[&str]) {
    let said = add(shop, policy).failed();
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    assert!(!shop.path("library").exists());
}

#[test]
fn files_are_installed_with_a_signature_only_if_a_rule_requires_it() {
    if !skipped_tests::has(SSH_KEYGEN, "openssh-client") {
        return;
    }
    on_a_host(|shop| {
        shop.policy();
        for name in ["ours", "theirs"] {
            ssh_key(shop, name);
        }
        list_key(shop, "ours");
        trust(shop, "[[trust]]\nfiles = true\nkeys = [\"DIR/ours.pub\"]\n");
        let said = add(shop, "sticky.wasm").failed();
        insta::assert_snapshot!("not signed", fingerprints(&shop.scrubbed(&said)));
        // Not even read: it is no policy.
        shop.write("other.wasm", "no policy");
        refuses(shop, "other.wasm", &["other.wasm: it is not signed"]);
        refuses(shop, ".", &["ginghamctl: .: it is not signed"]);
        shop.ctl(&["sign", "sticky.wasm", "--key", "theirs"]).done();
        refuses(shop, "sticky.wasm", &["which is not listed", "rule 1 of", "ours of a test (SHA256:"]);
        shop.ctl(&["sign", "sticky.wasm", "--key", "ours"]).done();
        assert!(add(shop, "sticky.wasm").done().contains("\n  signer   ours of a test (SHA256:"));
        assert_eq!(shop.listed("sticky")["signer"]["comment"], "ours of a test");
        assert!(
            shop.ctl(&["verify", "sticky.wasm", "--trust", text(&shop.path("etc/trust.toml"))]).done().contains("ours")
        );
        fs::remove_file(shop.path("sticky.wasm.sig")).unwrap();
        add(shop, "sticky.wasm").failed();
        assert_eq!(shop.listed("sticky")["signer"]["comment"], "ours of a test", "what is installed stays");
        // A rule that takes both.
        trust(shop, "[[trust]]\nfiles = true\nkeys = [\"DIR/ours.pub\"]\nrequire = false\n");
        let said = add(shop, "sticky.wasm");
        assert_eq!(said.code, Some(0));
        assert!(
            said.err.contains("warning: sticky.wasm: it is not signed; the trust file does not require it"),
            "{}",
            said.err
        );
        assert!(shop.listed("sticky")["signer"].is_null());
        let said = shop.ctl(&["verify", "sticky.wasm", "--trust", text(&shop.path("etc/trust.toml"))]).failed();
        assert!(said.contains("it is not signed"), "{said}");
    });
}

fn fingerprints(text: &str) -> String {
    let parts = text.split("SHA256:").enumerate();
    parts.map(|(index, part)| if index == 0 { part.to_owned() } else { format!("SHA256:KEY{}", &part[43..]) }).collect()
}

#[test]
fn references_are_installed_by_the_first_rule_that_fits() {
    with_registry(|shop| {
        let registry = Registry::start(shop, &Service::default());
        let pushed = shop.push();
        fs::remove_file(shop.policy()).unwrap();
        for name in ["ours", "theirs"] {
            ecdsa_key(shop, name);
        }
        for name in ["ours", "theirs"] {
            list_key(shop, name);
        }
        let rules = "[[trust]]\nreferences = [\"127.0.0.1:5000/team/*\"]\nkeys = [\"DIR/ours.pub\"]\n\
                     [[trust]]\nreferences = [\"*\"]\nkeys = [\"DIR/theirs.pub\"]\n";
        trust(shop, rules);
        refuses(shop, REFERENCE, &["127.0.0.1:5000/team/sticky: it is not signed; rule 1 of"]);
        shop.plain(&["sign", REFERENCE, "--key", "theirs.key"]).done();
        refuses(shop, REFERENCE, &["none of its signatures (1) is by a listed key", "rule 1 of"]);
        shop.plain(&["sign", REFERENCE, "--key", "ours.key"]).done();
        add(shop, REFERENCE).done();
        assert_eq!(shop.listed("sticky")["signer"]["comment"], "ours.pub");
        // Who deletes the signature gets nothing by it.
        let tags = registry.storage.join("docker/registry/v2/repositories/team/sticky/_manifests/tags");
        let hex = pushed["manifest"].as_str().unwrap().replace("sha256:", "");
        fs::remove_dir_all(tags.join(format!("sha256-{hex}.sig"))).unwrap();
        assert!(add(shop, REFERENCE).failed().contains("it is not signed"));
        trust(shop, "[[trust]]\nreferences = [\"127.0.0.1:5000/teams/*\", \"127.0.0.1:5000/team\"]\nrequire = false\n");
        let said = add(shop, REFERENCE).failed();
        assert!(said.contains("has no rule for 127.0.0.1:5000/team/sticky, so it is refused"), "{said}");
        trust(shop, "[[trust]]\nreferences = [\"127.0.0.1:5000/team/sticky\"]\nrequire = false\n");
        add(shop, REFERENCE).done();
    });
}

#[test]
fn a_trust_file_with_a_fault_permits_nothing() {
    on_a_host(|shop| {
        shop.policy();
        ecdsa_key(shop, "ours");
        list_key(shop, "ours");
        let rule = "[[trust]]\nfiles = true\nkeys = [\"DIR/ours.pub\"]\nrequire = false\n";
        let faults = [
            ("", "has no rule for sticky.wasm, so it is refused; add a [[trust]] with files = true"),
            ("[[trust]]\nfile = true\n", "trust.toml, line 2: unknown field `file`"),
            ("trust = 1\n", "trust.toml, line 1: invalid type"),
            ("[[trust]\n", "trust.toml, line 1: "),
            ("[[trust]]\nrequire = false\n", "rule 1: it is for nothing"),
            ("[[trust]]\nfiles = true\n", "rule 1: it requires a signature and has no keys"),
            ("[[trust]]\nfiles = true\nkeys = [\"DIR/other.pub\"]\n", "other.pub: cannot read it: No such file"),
            ("[[trust]]\nfiles = true\nkeys = [\"ours.pub\"]\n", "key ours.pub: it is neither an absolute path"),
            ("[[trust]]\nfiles = true\nkeys = [\"ssh-rsa AAAA\"]\n", "key ssh-rsa AAAA: "),
            ("[[trust]]\nreferences = [\"registry.example/te*\"]\nrequire = false\n", "rule 1: invalid pattern"),
            ("[[trust]]\nreferences = [\"registry.example\"]\nrequire = false\n", "rule 1: invalid pattern"),
        ];
        for (toml, word) in faults {
            trust(shop, toml);
            refuses(shop, "sticky.wasm", &[word]);
        }
        trust(shop, rule);
        let file = shop.path("etc/trust.toml");
        for (path, mode, word) in [
            (file.clone(), 0o664, "trust.toml or its directory can be changed by others"),
            (file.clone(), 0o646, "trust.toml or its directory can be changed by others"),
            (shop.path("etc"), 0o777, "trust.toml or its directory can be changed by others"),
            (shop.path("etc/ours.pub"), 0o666, "its file or its directory can be changed by others"),
        ] {
            let before = fs::metadata(&path).unwrap().permissions();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            refuses(shop, "sticky.wasm", &[word]);
            fs::set_permissions(&path, before).unwrap();
        }
        fs::rename(&file, shop.path("etc/real.toml")).unwrap();
        refuses(shop, "sticky.wasm", &["cannot read the trust file", "No such file"]);
        symlink("real.toml", &file).unwrap();
        refuses(shop, "sticky.wasm", &["is a symbolic link"]);
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        refuses(shop, "sticky.wasm", &["is not a regular file"]);
        fs::remove_dir(&file).unwrap();
        fs::rename(shop.path("etc/real.toml"), &file).unwrap();
        assert!(add(shop, "sticky.wasm").code == Some(0), "without a fault it works");
    });
}
