//! A signature counts if a listed key made it, for this content and this reference.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use gingham_builtin::BUILT_IN;
use rcgen::KeyPair;
use serde_json::json;

use super::harness::{ADDRESS, REFERENCE, Registry, Service, Shop, on_a_host, text, with_registry};
use super::peer::{Peer, answer, manifest};

pub(super) const SSH_KEYGEN: &str = "/usr/bin/ssh-keygen";
const OPENSSL: &str = "/usr/bin/openssl";

/// An ECDSA P-256 key in `NAME.key` and `NAME.pub`.
pub(super) fn ecdsa_key(shop: &Shop, name: &str) {
    let pair = KeyPair::generate().unwrap();
    let private = shop.write(&format!("{name}.key"), pair.serialize_pem());
    fs::set_permissions(private, fs::Permissions::from_mode(0o600)).unwrap();
    shop.write(&format!("{name}.pub"), pair.public_key_pem());
}

/// An SSH key in `NAME` and `NAME.pub`, made by OpenSSH.
pub(super) fn ssh_key(shop: &Shop, name: &str) {
    let mut command = Command::new(SSH_KEYGEN);
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", &format!("{name} of a test"), "-f"]).arg(shop.path(name));
    assert!(command.status().unwrap().success());
}

fn flip_last(shop: &Shop, name: &str) {
    let mut bytes = fs::read(shop.path(name)).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(shop.path(name), bytes).unwrap();
}

#[test]
fn a_file_is_signed_and_verified_with_an_ssh_key() {
    if !skipped_tests::has(SSH_KEYGEN, "openssh-client") {
        return;
    }
    on_a_host(|shop| {
        shop.policy();
        for name in ["ours", "theirs"] {
            ssh_key(shop, name);
        }
        let verify = |key: &str| shop.ctl(&["verify", "sticky.wasm", "--key", key]);
        assert!(verify("ours.pub").failed().contains("sticky.wasm: it is not signed"));
        assert_eq!(shop.ctl(&["sign", "sticky.wasm", "--key", "ours"]).done(), "Signed sticky.wasm: sticky.wasm.sig\n");
        let said = verify("ours.pub").done();
        assert!(said.starts_with("Verified sticky.wasm: signed by ours of a test (SHA256:"), "{said}");
        // OpenSSH's own opinion.
        let public = fs::read_to_string(shop.path("ours.pub")).unwrap();
        let signers = shop.write("signers", format!("team {public}"));
        let check = "ssh-keygen -Y verify -n gingham-policy -I team -f signers -s sticky.wasm.sig < sticky.wasm";
        let mut openssh = Command::new("sh");
        assert!(openssh.current_dir(signers.parent().unwrap()).args(["-c", check]).output().unwrap().status.success());
        let said = verify("theirs.pub").failed();
        assert!(said.contains("by the key SHA256:") && said.contains("which is not listed"), "{said}");
        assert!(shop.ctl(&["verify", "sticky.wasm", "--key", "ours"]).failed().contains("it is a private key"));
        flip_last(shop, "sticky.wasm");
        assert!(verify("ours.pub").failed().contains("it was changed since"));
        shop.policy();
        fs::remove_file(shop.path("sticky.wasm.sig")).unwrap();
        let mut other = Command::new(SSH_KEYGEN);
        other.args(["-q", "-Y", "sign", "-n", "git", "-f", "ours", "sticky.wasm"]).current_dir(shop.path(""));
        assert!(other.output().unwrap().status.success());
        assert!(verify("ours.pub").failed().contains(r#"is for namespace "git""#));
    });
}

#[test]
fn a_damaged_ssh_signature_is_never_accepted() {
    if !skipped_tests::has(SSH_KEYGEN, "openssh-client") {
        return;
    }
    on_a_host(|shop| {
        shop.policy();
        ssh_key(shop, "ours");
        shop.ctl(&["sign", "sticky.wasm", "--key", "ours"]).done();
        let good = fs::read_to_string(shop.path("sticky.wasm.sig")).unwrap();
        let lines: Vec<&str> = good.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let changed =
                if line.contains("-----") { line.replace('S', "X") } else { line.replacen(&line[9..10], "/", 1) };
            let mut other = lines.clone();
            other[index] = &changed;
            if changed == *line {
                continue;
            }
            shop.write("sticky.wasm.sig", other.join("\n"));
            shop.ctl(&["verify", "sticky.wasm", "--key", "ours.pub"]).failed();
        }
        for bad in ["", "AAAA", "-----BEGIN SSH SIGNATURE-----", "\u{0}\u{ff}"] {
            shop.write("sticky.wasm.sig", bad);
            shop.ctl(&["verify", "sticky.wasm", "--key", "ours.pub"]).failed();
        }
    });
}

#[test]
fn a_file_is_signed_and_verified_with_an_ecdsa_key_as_openssl_and_cosign_do() {
    if !skipped_tests::has(OPENSSL, "openssl") {
        return;
    }
    on_a_host(|shop| {
        shop.policy();
        for name in ["ours", "theirs"] {
            ecdsa_key(shop, name);
        }
        let said = shop.ctl(&["sign", "sticky.wasm", "--key", "ours.key"]).done();
        assert!(said.starts_with("Signed sticky.wasm: sticky.wasm.sig\n  key  SHA256:"), "{said}");
        let verify = |key: &str| shop.ctl(&["verify", "sticky.wasm", "--key", key]);
        assert!(verify("ours.pub").done().contains("signed by ours.pub (SHA256:"));
        assert!(verify("theirs.pub").failed().contains("none of its signatures (1) is by a listed key"));
        let by_openssl = "base64 -d sticky.wasm.sig > der && openssl dgst -sha256 -verify ours.pub -signature der sticky.wasm \
                          && openssl dgst -sha256 -sign theirs.key sticky.wasm | base64 -w0 > sticky.wasm.sig";
        let output = Command::new("sh").current_dir(shop.path("")).args(["-c", by_openssl]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        verify("theirs.pub").done();
        flip_last(shop, "sticky.wasm");
        verify("theirs.pub").failed();
    });
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_what_to_do() {
    on_a_host(|shop| {
        shop.policy();
        ecdsa_key(shop, "ours");
        let keys = [
            ("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n", "use `cosign sign --key`"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "openssl pkey"),
            ("-----BEGIN EC PRIVATE KEY-----\n", "openssl pkcs8"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not an ECDSA P-256 key"),
            ("-----BEGIN PRIVATE KEY-----\n", "its PEM is damaged"),
            ("ssh-rsa AAAA", "neither an SSH key of type ed25519"),
            ("", "neither an SSH key of type ed25519"),
        ];
        for (text, word) in keys {
            let key = shop.write("key", text);
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
            let said = shop.ctl(&["sign", "sticky.wasm", "--key", "key"]).failed();
            assert!(said.contains(word), "{said}");
        }
        fs::set_permissions(shop.path("ours.key"), fs::Permissions::from_mode(0o640)).unwrap();
        let said = shop.ctl(&["sign", "sticky.wasm", "--key", "ours.key"]).failed();
        assert!(said.contains("can be read by other users; run `chmod 600 ours.key`"), "{said}");
        assert!(!shop.path("sticky.wasm.sig").exists());
    });
}

#[test]
fn a_policy_in_a_registry_is_signed_and_verified_by_several() {
    with_registry(|shop| {
        let _registry = Registry::start(shop, &Service::default());
        let pushed = shop.push();
        for name in ["ours", "theirs", "nobodys"] {
            ecdsa_key(shop, name);
        }
        let verify = |reference: &str, key: &str| shop.plain(&["verify", reference, "--key", key]);
        assert!(verify(REFERENCE, "ours.pub").failed().contains("it is not signed"));
        for key in ["ours.key", "theirs.key"] {
            let said = shop.plain(&["sign", REFERENCE, "--key", key]).done();
            assert!(said.contains("127.0.0.1:5000/team/sticky:sha256-"), "{said}");
        }
        for key in ["ours.pub", "theirs.pub"] {
            verify(REFERENCE, key).done();
        }
        let said = verify(REFERENCE, "nobodys.pub").failed();
        assert!(said.contains("none of its signatures (2) is by a listed key"), "{said}");
        let pinned = format!("{ADDRESS}/team/sticky@{}", pushed["manifest"].as_str().unwrap());
        assert!(verify(&pinned, "ours.pub").done().starts_with(&format!("Verified {pinned}: signed by ours.pub")));
    });
}

#[test]
fn a_signature_is_for_one_reference_and_one_digest() {
    with_registry(|shop| {
        let registry = Registry::start(shop, &Service::default());
        let pushed = shop.push();
        ecdsa_key(shop, "ours");
        shop.plain(&["sign", REFERENCE, "--key", "ours.key"]).done();
        let hex = pushed["manifest"].as_str().unwrap().replace("sha256:", "");
        let tags = registry.storage.join("docker/registry/v2/repositories/team/sticky/_manifests/tags");
        // The whole repository under another name, as whoever can write to the registry can have it.
        let copied = registry.storage.join("docker/registry/v2/repositories/other/sticky");
        let copy = |from: &std::path::Path, to: &std::path::Path| {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
        };
        copy(&registry.storage.join("docker/registry/v2/repositories/team/sticky"), &copied);
        let other = format!("{ADDRESS}/other/sticky:1.0");
        let said = shop.plain(&["verify", &other, "--key", "ours.pub"]).failed();
        assert!(said.contains("is for another reference, 127.0.0.1:5000/team/sticky; sign it again"), "{said}");
        // Another policy, with the signature of this one.
        let other = shop.write("other.wasm", BUILT_IN[1].component());
        let second = format!("{ADDRESS}/team/sticky:2.0");
        let manifest = shop.json(&["push", text(&other), &second])["manifest"].as_str().unwrap().replace("sha256:", "");
        copy(&tags.join(format!("sha256-{hex}.sig")), &tags.join(format!("sha256-{manifest}.sig")));
        let said = shop.plain(&["verify", &second, "--key", "ours.pub"]).failed();
        assert!(said.contains(&format!("is for another artefact, sha256:{hex}")), "{said}");
    });
}

#[test]
fn an_ssh_key_does_not_sign_in_a_registry() {
    if !skipped_tests::has(SSH_KEYGEN, "openssh-client") {
        return;
    }
    with_registry(|shop| {
        let _registry = Registry::start(shop, &Service::default());
        shop.push();
        ssh_key(shop, "ours");
        let said = shop.plain(&["sign", REFERENCE, "--key", "ours"]).failed();
        assert!(said.contains("openssl genpkey"), "{said}");
        let said = shop.plain(&["verify", REFERENCE, "--key", "ours.pub"]).failed();
        assert!(said.contains("with ECDSA P-256 keys, and none is listed"), "{said}");
    });
}

/// As cosign writes it, byte for byte where it matters, signed by openssl.
#[test]
fn what_cosign_attaches_is_verified() {
    if !skipped_tests::has(OPENSSL, "openssl") {
        return;
    }
    on_a_host(|shop| {
        ecdsa_key(shop, "cosign");
        let body = manifest("application/wasm", BUILT_IN[0].digest, 1).to_string();
        let digest = gingham_engine::library::Digest::of(body.as_bytes());
        let payload = format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"{ADDRESS}/team/sticky"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":{{"creator":"ci"}}}}"#
        );
        shop.write("payload", &payload);
        let sign = "openssl dgst -sha256 -sign cosign.key payload | base64 -w0";
        let output = Command::new("sh").current_dir(shop.path("")).args(["-c", sign]).output().unwrap();
        let signature = String::from_utf8(output.stdout).unwrap();
        let blob = gingham_engine::library::Digest::of(payload.as_bytes());
        let signatures = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": digest},
            "layers": [{
                "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "size": payload.len(), "digest": blob,
                "annotations": {"dev.cosignproject.cosign/signature": signature, "dev.sigstore.cosign/bundle": "{}"},
            }],
        });
        let (tag, blob) = (format!("/manifests/sha256-{}.sig", digest.hex()), format!("/blobs/{blob}"));
        let _peer = Peer::start(move |heard, stream| match heard.request.as_str() {
            request if request.ends_with(&tag) => answer(stream, "200 OK", &[], signatures.to_string().as_bytes()),
            request if request.ends_with(&blob) => answer(stream, "200 OK", &[], payload.as_bytes()),
            request if request.ends_with("/manifests/1.0") => answer(stream, "200 OK", &[], body.as_bytes()),
            _ => answer(stream, "404 Not Found", &[], b""),
        });
        let said = shop.plain(&["verify", REFERENCE, "--key", "cosign.pub"]).done();
        assert!(said.contains(&format!("team/sticky@{digest}: signed by cosign.pub (SHA256:")), "{said}");
    });
}
