//! An object `AllocationPolicy` becomes a policy of the nodes that it is for: fetched, verified against its digest and the node's
//! trust file, compiled without privileges, installed, and reported.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gingham_engine::library::Digest;
use gingham_kubernetes_tests::programs;
use gingham_testbed::machine::hide_in_etc;
use gingham_tests::cni::address;
use gingham_tests::ctl::ctl;
use gingham_tests::networks::with;
use serde_json::{Value, json};

use crate::registry::{self, REFERENCE, Registry};
use crate::testbed::{NODE, Testbed};

const SSH_KEYGEN: &str = "/usr/bin/ssh-keygen";

pub(crate) fn component(policy: &str) -> Vec<u8> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    gingham_build::build_policy(&workspace.join("policies").join(policy)).unwrap().bytes
}

pub(crate) fn object(name: &str, digest: &Digest, source: &Value, more: &Value) -> Value {
    let mut spec = json!({"digest": digest.to_string(), "source": source});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"apiVersion": "gingham.dev/v1alpha1", "kind": "AllocationPolicy", "metadata": {"name": name}, "spec": spec})
}

pub(crate) fn inline(component: &[u8]) -> Value {
    json!({"inline": STANDARD.encode(component)})
}

impl Testbed {
    /// Changes a policy's `spec`. A component is more than an argument of a program can have.
    pub(crate) fn change(&self, name: &str, spec: &Value) {
        let object = with(self.policy(name), json!({"metadata": {"resourceVersion": null}, "spec": spec})).to_string();
        // kubectl compares with what it read, and an agent may write a status in between.
        self.until(&format!("the spec of {name} is changed"), || {
            let replaced = self.kubectl().with_file(&["replace"], &object);
            if replaced.is_success() { Ok(()) } else { Err(replaced.refusal()) }
        });
    }

    pub(crate) fn policy(&self, name: &str) -> Value {
        self.kubectl().get(&["allocationpolicies", name])
    }

    /// Waits until a condition is so, and returns it.
    #[track_caller]
    pub(crate) fn until_condition(&self, name: &str, kind: &str, status: &str, reason: &str) -> Value {
        self.until(&format!("{kind} of {name} is {status}, {reason}"), || {
            let policy = self.policy(name);
            let conditions = policy["status"]["conditions"].as_array().cloned().unwrap_or_default();
            // What an agent wrote of the object as it was before says nothing of the present one.
            let generation = &policy["metadata"]["generation"];
            let is_current = |one: &Value| one["observedGeneration"] == *generation;
            let is = |one: &&Value| {
                is_current(one) && one["type"] == kind && one["status"] == status && one["reason"] == reason
            };
            conditions.iter().find(is).cloned().ok_or_else(|| policy["status"].to_string())
        })
    }

    /// What a node reports of a policy.
    pub(crate) fn report(&self, node: &str, policy: &str) -> Value {
        let member = self.kubectl().get(&["networkmembers", &format!("pods.{node}")]);
        let reports = member["status"]["policies"].as_array().cloned().unwrap_or_default();
        reports.into_iter().find(|report| report["name"] == policy).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn until_report(&self, node: &str, policy: &str, state: &str) -> Value {
        self.until(&format!("{policy} on {node} is {state}"), || {
            let report = self.report(node, policy);
            if report["state"] == state { Ok(report) } else { Err(report.to_string()) }
        })
    }

    /// What the API server refuses of an object.
    pub(crate) fn refused(&self, object: &Value) -> String {
        self.kubectl().with_file(&["create"], &object.to_string()).refusal()
    }
}

/// The condition and the node's report of an object that failed on the node.
#[track_caller]
fn says(testbed: &Testbed, name: &str, (kind, reason): (&str, &str), words: &str) {
    let condition = testbed.until_condition(name, kind, "False", "NodeFailed");
    let message = condition["message"].as_str().unwrap();
    assert!(message.starts_with("node node-1: ") && message.contains(words), "{message}");
    assert_eq!(testbed.report(NODE, name)["reason"], reason);
}

#[test]
fn an_object_that_is_wrong_says_what_to_do() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[NODE]);
    let hashed = component("hashed");
    testbed.create(&object("forged", &Digest::of(b"another component"), &inline(&hashed), &json!({})));
    testbed.create(&object("no-policy", &Digest::of(b"\0asm"), &inline(b"\0asm"), &json!({})));
    // As cargo builds it. The tools that turn it into a component print another digest.
    let module = [b"\0asm\x01\0\0\0".as_slice(), b"what follows"].concat();
    testbed.create(&object("module", &Digest::of(&hashed), &inline(&module), &json!({})));
    // An API server that knows rules refuses it; otherwise the agent does.
    let reserved = object("weave-split", &Digest::of(&hashed), &inline(&hashed), &json!({}));
    let reserved = testbed.kubectl().with_file(&["create"], &reserved.to_string());
    let volume = json!({"volume": "/run/hashed.wasm"});
    testbed.create(&object("from-volume", &Digest::of(&hashed), &volume, &json!({})));
    let _agent = testbed.agent();
    says(&testbed, "forged", ("Verified", "DigestDiffers"), "as spec.digest requires: correct the one that is wrong");
    says(&testbed, "no-policy", ("Compiled", "CompileFailed"), "the component was refused: this ");
    says(&testbed, "module", ("Verified", "FetchFailed"), "of ginghamctl policy build");
    says(&testbed, "from-volume", ("Verified", "FetchFailed"), "cannot read /run/hashed.wasm");
    if reserved.is_success() {
        says(&testbed, "weave-split", ("Serving", "InstallFailed"), "create the object under another name");
    } else {
        assert!(reserved.refusal().contains("this name is built in"));
    }
    assert!(!ctl(&["policy", "list"]).done().contains("forged"));
}

fn until_without_report(testbed: &Testbed, policy: &str) {
    testbed.until("its report is gone", || match testbed.report(NODE, policy) {
        Value::Null => Ok(()),
        report => Err(report.to_string()),
    });
}

#[test]
fn an_object_is_installed_where_it_is_for_and_stays_when_it_is_deleted() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[NODE]);
    let (quota, hashed, zones) = (component("quota"), component("hashed"), component("by-zone"));
    testbed.create(&object("teams", &Digest::of(&quota), &inline(&quota), &json!({})));
    let canary = json!({"rollout": {"nodeSelector": {"canary": "yes"}}});
    testbed.create(&object("elsewhere", &Digest::of(&hashed), &inline(&hashed), &canary));
    let agent = testbed.agent();

    testbed.until_condition("teams", "Serving", "True", "AllNodes");
    let report = testbed.report(NODE, "teams");
    assert_eq!((&report["state"], &report["digest"]), (&json!("Serving"), &json!(Digest::of(&quota).to_string())));
    assert!(report["artefact"].as_str().unwrap().starts_with("sha256:"), "{report}");
    let policy = testbed.policy("teams");
    assert_eq!((&policy["status"]["ready"], &policy["status"]["total"]), (&json!(1), &json!(1)));
    let network = testbed.network("teams", &json!({"subnet": "10.8.0.0/24", "quota": 5}));
    testbed.pod("web-0", "ReplicaSet");
    assert_eq!(address(&testbed.add(&network, "web-0", "c1").result()), "10.8.0.2");

    // A policy that refuses the network's configuration does not take the place of the one that accepts it.
    testbed.change("teams", &json!({"digest": Digest::of(&zones).to_string(), "source": inline(&zones)}));
    says(&testbed, "teams", ("Serving", "ConfigurationRefused"), "network teams cannot use it");
    testbed.pod("web-1", "ReplicaSet");
    assert_eq!(address(&testbed.add(&network, "web-1", "c2").result()), "10.8.0.3");

    testbed.until_condition("elsewhere", "Serving", "False", "NoNodeSelected");
    assert!(!ctl(&["policy", "list"]).done().contains("elsewhere"), "it is not for this node");
    testbed.kubectl().run(&["label", "node", NODE, "canary=yes"]).stdout();
    testbed.until_condition("elsewhere", "Serving", "True", "AllNodes");

    // What is deleted stays where it is used.
    testbed.kubectl().run(&["delete", "allocationpolicy", "teams"]).stdout();
    until_without_report(&testbed, "teams");
    testbed.pod("web-2", "ReplicaSet");
    assert_eq!(address(&testbed.add(&network, "web-2", "c3").result()), "10.8.0.4");

    // So is that of the last one, also if no agent runs at that moment.
    assert_eq!(testbed.report(NODE, "elsewhere")["state"], "Serving");
    drop(agent);
    testbed.kubectl().run(&["delete", "allocationpolicy", "elsewhere"]).stdout();
    let _agent = testbed.agent();
    until_without_report(&testbed, "elsewhere");
}

#[test]
fn components_of_every_language_are_compiled_by_an_agent() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[NODE]);
    let _agent = testbed.agent();
    for language in ["rust-0.61.1", "javascript-0.61.1", "python-0.25.1"] {
        let component = gingham_frozen::components::read(language);
        let file = format!("/run/{language}.wasm");
        fs::write(&file, &component).unwrap();
        let name = language.split('-').next().unwrap();
        testbed.create(&object(name, &Digest::of(&component), &json!({"volume": file}), &json!({})));
        testbed.until_condition(name, "Serving", "True", "AllNodes");
    }
}

#[test]
fn what_is_no_policy_is_refused_by_the_api_server() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[]);
    let digest = Digest::of(b"x");
    let of = |source: Value, more: Value| object("bad", &digest, &source, &more);
    let huge = inline(&vec![0; 1 << 21]);
    let cases = [
        (of(huge, json!({})), "spec.source.inline"),
        (of(json!({}), json!({})), "spec.source"),
        (of(json!({"inline": "AAAA", "volume": "/x"}), json!({})), "spec.source"),
        (of(json!({"volume": "x"}), json!({})), "spec.source.volume"),
        (of(inline(b"abc"), json!({"digest": "sha256:12"})), "spec.digest"),
        (of(inline(b"abc"), json!({"mode": "loud"})), "spec.mode"),
        (of(inline(b"abc"), json!({"rollout": {"maxUnavailable": 0}})), "spec.rollout.maxUnavailable"),
    ];
    for (object, field) in cases {
        let refusal = testbed.refused(&object);
        assert!(refusal.contains(field), "{field}: {}", &refusal[..refusal.len().min(400)]);
    }
    // It is wrapped for terminals.
    let explained = testbed.kubectl().run(&["explain", "gpol.spec.source"]).stdout();
    let explained = explained.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(explained.contains("Agents pull it") && explained.contains("FILE.sig"), "{explained}");
}

pub(crate) fn trust(toml: &str) {
    fs::write("/etc/gingham/trust.toml", toml).unwrap();
    fs::set_permissions("/etc/gingham/trust.toml", fs::Permissions::from_mode(0o644)).unwrap();
}

/// The trust file of a node that requires the signature of the key `/run/team`.
fn require_signatures() {
    hide_in_etc("gingham", Path::new("/run/etc-with-gingham")).unwrap();
    let arguments = ["-q", "-t", "ed25519", "-N", "", "-C", "team", "-f", "/run/team"];
    assert!(Command::new(SSH_KEYGEN).args(arguments).status().unwrap().success());
    let key = fs::read_to_string("/run/team.pub").unwrap();
    trust(&format!("[[trust]]\nfiles = true\nkeys = [{:?}]\n", key.trim()));
}

#[test]
fn a_node_installs_only_what_its_trust_file_permits() {
    if !programs::has_control_plane() || !skipped_tests::has(SSH_KEYGEN, "openssh-client") {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[NODE]);
    require_signatures();
    let hashed = component("hashed");
    fs::write("/run/hashed.wasm", &hashed).unwrap();
    let digest = Digest::of(&hashed);
    testbed.create(&object("unsigned", &digest, &inline(&hashed), &json!({})));
    testbed.create(&object("on-disk", &digest, &json!({"volume": "/run/hashed.wasm"}), &json!({})));
    let _agent = testbed.agent();
    for name in ["unsigned", "on-disk"] {
        says(&testbed, name, ("Verified", "Untrusted"), "this node does not trust it");
        says(&testbed, name, ("Verified", "Untrusted"), "it is not signed");
    }
    assert!(!ctl(&["policy", "list"]).done().contains("unsigned"));

    // Signed with another key.
    let arguments = ["-q", "-t", "ed25519", "-N", "", "-C", "stranger", "-f", "/run/stranger"];
    assert!(Command::new(SSH_KEYGEN).args(arguments).status().unwrap().success());
    ctl(&["policy", "sign", "/run/hashed.wasm", "--key", "/run/stranger"]).done();
    let signature = fs::read_to_string("/run/hashed.wasm.sig").unwrap();
    testbed.change("unsigned", &json!({"source": {"signature": signature}}));
    testbed.until("the stranger's signature is refused", || {
        let (report, policy) = (testbed.report(NODE, "unsigned"), testbed.policy("unsigned"));
        let is_current = report["observedGeneration"] == policy["metadata"]["generation"];
        let message = report["message"].as_str().unwrap_or_default();
        let is_refused = report["reason"] == "Untrusted" && !message.contains("it is not signed");
        if is_current && is_refused { Ok(()) } else { Err(report.to_string()) }
    });
    assert!(!ctl(&["policy", "list"]).done().contains("unsigned"));
    fs::remove_file("/run/hashed.wasm.sig").unwrap();

    // Signed with the listed key, as an object and beside the file.
    ctl(&["policy", "sign", "/run/hashed.wasm", "--key", "/run/team"]).done();
    let signature = fs::read_to_string("/run/hashed.wasm.sig").unwrap();
    testbed.change("unsigned", &json!({"source": {"signature": signature}}));
    testbed.until_condition("unsigned", "Serving", "True", "AllNodes");
    testbed.change("on-disk", &json!({"rollout": {"minReadySeconds": 1}}));
    testbed.until_condition("on-disk", "Serving", "True", "AllNodes");
}

#[test]
fn a_policy_is_pulled_from_a_registry_that_the_trust_file_names() {
    if !programs::has_control_plane() || !registry::has_program() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[NODE]);
    hide_in_etc("gingham", Path::new("/run/etc-with-gingham")).unwrap();
    trust("[[trust]]\nfiles = true\nrequire = false\n");
    let _registry = Registry::start();
    let hashed = component("hashed");
    fs::write("/run/hashed.wasm", &hashed).unwrap();
    ctl(&["policy", "push", "/run/hashed.wasm", REFERENCE, "--plain-http"]).done();
    let image = |digest: &Digest| object("pulled", digest, &json!({"image": REFERENCE}), &json!({}));
    testbed.create(&image(&Digest::of(b"another")));
    let _agent = testbed.agent();
    says(&testbed, "pulled", ("Verified", "Untrusted"), "has no rule for 127.0.0.1:5000/team/hashed");
    trust("[[trust]]\nreferences = [\"127.0.0.1:5000/team/*\"]\nrequire = false\n");
    testbed.change("pulled", &json!({"rollout": {"minReadySeconds": 1}}));
    testbed.until("its digest is compared", || {
        let report = testbed.report(NODE, "pulled");
        if report["reason"] == "DigestDiffers" { Ok(()) } else { Err(report.to_string()) }
    });
    testbed.change("pulled", &json!({"digest": Digest::of(&hashed).to_string()}));
    testbed.until_condition("pulled", "Serving", "True", "AllNodes");
    let list = ctl(&["policy", "list", "--json"]).done();
    assert!(list.contains(REFERENCE), "{list}");
}
