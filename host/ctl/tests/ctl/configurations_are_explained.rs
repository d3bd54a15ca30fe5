//! `check-config` explains a configuration on this node and changes nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::program::{CTL, Said};

/// A directory of configurations, of leases and of policies.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for name in ["net.d", "plugins"] {
            fs::create_dir(place.path().join(name)).unwrap();
        }
        fs::write(place.path().join("plugins/tuning"), "").unwrap();
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn network(&self, name: &str, ipam: &Value, more: &Value) {
        let mut network = json!({"cniVersion": "1.1.0", "name": name, "type": "gingham", "ipam": ipam});
        network["ipam"]["dataDir"] = json!(self.path().join("leases"));
        network.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let file = self.path().join(format!("net.d/{name}.conf"));
        fs::write(file, network.to_string()).unwrap();
    }

    fn check(&self, network: &str, more: &[&str]) -> Said {
        let [config_dir, library] = ["net.d", "policies"].map(|name| self.path().join(name).display().to_string());
        let arguments = ["check-config", network, "--config-dir", &config_dir, "--library", &library];
        // Neither the runtimes nor the plugins of this machine.
        let mut command = Command::new(CTL);
        command
            .args(arguments.iter().chain(more))
            .env("PATH", self.path())
            .env("CNI_PATH", self.path().join("plugins"));
        Said::by(&mut command)
    }

    /// Without the place's own path.
    fn text(&self, network: &str) -> String {
        self.check(network, &[]).done().replace(&self.path().display().to_string(), "/PLACE")
    }
}

fn host_local(subnet: &str) -> Value {
    json!({"type": "host-local", "subnet": subnet})
}

#[test]
fn a_bridge_network_with_everything() {
    let place = Place::new();
    let ipam = json!({"type": "gingham", "policy": "host-local", "exclude": ["10.71.0.0/29"], "ranges": [
        [{"subnet": "10.71.0.0/24", "rangeEnd": "10.71.0.99"}, {"subnet": "10.72.0.0/24"}], [{"subnet": "fd00:71::/64"}]]});
    place.network("all-of-it", &ipam, &json!({"isGateway": true, "ipMasq": true}));
    place.network("beside-it", &host_local("10.72.0.0/16"), &json!({}));
    place.network("elsewhere", &host_local("10.99.0.0/16"), &json!({}));
    insta::assert_snapshot!(place.text("all-of-it"));
    assert!(!place.path().join("leases").exists(), "nothing is made");
}

#[test]
fn one_of_the_reference_is_explained_as_if_it_were_ours() {
    let place = Place::new();
    place.network("theirs", &host_local("10.71.0.0/30"), &json!({"type": "bridge", "isGateway": true}));
    insta::assert_snapshot!(place.text("theirs"));
}

#[test]
fn a_list_and_layer_2() {
    let place = Place::new();
    let plugins = json!([{"type": "gingham", "bridge": "l2"}, {"type": "tuning"}]);
    place.network("switch", &json!({}), &json!({"plugins": plugins}));
    insta::assert_snapshot!(place.text("switch"));
}

#[test]
fn json_says_the_same() {
    let place = Place::new();
    place.network("small", &host_local("10.71.0.0/29"), &json!({}));
    let said: Value = serde_json::from_str(&place.check("small", &["--json"]).done()).unwrap();
    assert_eq!(said["pools"][0]["addresses"], 5, "{said}");
    assert_eq!(said["first"], json!([["10.71.0.2"], ["10.71.0.3"], ["10.71.0.4"]]));
    assert_eq!((&said["policy"], &said["isGingham"]), (&json!("host-local"), &json!(true)));
}

#[test]
fn what_add_would_refuse_is_refused_in_the_same_words() {
    let place = Place::new();
    place.network("bad", &host_local("10.71.0.1/24"), &json!({}));
    let said = place.check("bad", &[]).failed();
    assert!(said.contains("bad.conf: policy host-local: ") && said.contains("host bits set"), "{said}");
    place.network("unknown", &json!({"type": "gingham", "policy": "no-such"}), &json!({}));
    assert!(place.check("unknown", &[]).failed().contains("unknown policy \"no-such\""));
    assert!(place.check("not-there", &[]).failed().contains("no network \"not-there\" in "));
}

#[test]
fn an_unknown_key_is_a_warning_with_the_nearest_known_one() {
    let place = Place::new();
    let ipam = json!({"type": "host-local", "subnet": "10.71.0.0/24", "cooldwon": "9s", "rangestart": "10.71.0.9",
                      "resolvConf": null, "colour": "blue", "ranges": [[{"subnet": "10.72.0.0/24", "gatway": ""}]]});
    place.network("misspelt", &ipam, &json!({}));
    let text = place.text("misspelt");
    assert!(text.contains("ipam.cooldwon: unknown key, did you mean \"cooldown\"?"), "{text}");
    assert!(text.contains("ipam.gatway: unknown key, did you mean \"gateway\"?"), "{text}");
    assert!(text.contains("ipam.colour: unknown key, which the policy ignores; it knows ipRanges, subnet"), "{text}");
    assert_eq!(text.matches("unknown key").count(), 3, "{text}");
    let beside = json!({"isGatway": true, "ipMask": true, "colour": "blue", "cni.dev/attachments": []});
    let ipam = json!({"type": "host-local", "subnet": "10.71.0.0/24", "exclude": ["10.71.0.9", "10.99.0.0/30"]});
    place.network("beside", &ipam, &beside);
    let text = place.text("beside");
    assert!(text.contains("isGatway: unknown key, did you mean \"isGateway\"?"), "{text}");
    assert!(text.contains("ipMask: unknown key, did you mean \"ipMasq\"?"), "{text}");
    assert!(text.contains("colour: unknown key, which is ignored"), "{text}");
    assert_eq!(text.matches("unknown key").count(), 3, "{text}");
    assert!(text.contains("ipam.exclude: 10.99.0.0-10.99.0.3 is in no pool"), "{text}");
    assert_eq!(text.matches("ipam.exclude: ").count(), 1, "{text}");
    place.network("polcy", &json!({"type": "gingham", "polcy": "host-local"}), &json!({}));
    let said = place.check("polcy", &[]).failed();
    assert!(said.contains("ipam.polcy: unknown key, did you mean \"policy\"?"), "{said}");
    place.network("hostlocal", &json!({"type": "hostlocal"}), &json!({}));
    assert!(place.check("hostlocal", &[]).failed().contains("built-in policies are host-local"));
    place.network("missing", &json!({"type": "host-local", "subnett": "10.71.0.0/24"}), &json!({}));
    let said = place.check("missing", &[]).failed();
    assert!(said.contains("ipam.subnett: unknown key, did you mean \"subnet\"?"), "{said}");
}

/// The reference plugins take the last one without a word, and so does Gingham.
#[test]
fn a_key_that_is_written_twice_is_a_warning_with_its_path() {
    let place = Place::new();
    let text = |name: &str, text: &str| {
        let data_dir = place.path().join("leases");
        let ipam = format!(r#""dataDir": {data_dir:?}, "type": "host-local""#);
        fs::write(place.path().join(format!("net.d/{name}.conf")), text.replace("IPAM", &ipam)).unwrap();
        place.text(name)
    };
    let twice = r#"{"cniVersion": "1.0.0", "name": "twice", "type": "gingham", "ipam": {IPAM, "subnet": "10.9.0.0/24",
                    "subnet": "10.71.0.0/24", "Routes": [], "routes": [{"dst": "10.0.0.0/8", "dst": "10.1.0.0/16"}]}}"#;
    let shown = text("twice", twice);
    assert!(
        shown.contains("ipam.subnet: the key is written several times, and only the last one counts; keep one"),
        "{shown}"
    );
    assert!(shown.contains("ipam.routes[0].dst: the key is written several times"), "{shown}");
    assert!(shown.contains("ipam.Routes: the key is written several times, in different case"), "{shown}");
    assert!(shown.contains("10.71.0.2") && shown.matches("several times").count() == 3, "{shown}");
    let listed = r#"{"cniVersion": "1.0.0", "name": "listed", "name": "listed", "plugins": [{"type": "gingham",
                     "MTU": 1400, "mtu": 1500, "ipam": {IPAM, "subnet": "10.71.0.0/24"},
                     "args": {"cni": {"labels": {"team": "a", "Team": "b"}}}}]}"#;
    let shown = text("listed", listed);
    assert!(shown.contains("plugins[0].MTU: the key is written several times, in different case"), "{shown}");
    assert!(shown.contains("name: the key is written several times"), "{shown}");
    assert_eq!(shown.matches("several times").count(), 2, "labels are data: {shown}");
}

#[test]
fn a_shadow_that_cannot_answer_is_a_note() {
    let place = Place::new();
    let with = |shadow: Value| json!({"type": "host-local", "subnet": "10.71.0.0/24", "shadow": shadow});
    place.network("no-shadow", &with(json!("nowhere")), &json!({}));
    assert!(place.text("no-shadow").contains("ipam.shadow: nowhere: ipam: unknown policy \"nowhere\""));
    place.network("bad-shadow", &with(json!({"policy": "host-local", "config": {}})), &json!({}));
    let text = place.text("bad-shadow");
    assert!(text.contains("ipam.shadow: host-local@sha256:") && text.contains("ADD does not depend on it"), "{text}");
    place.network("shadow", &with(json!("host-local")), &json!({}));
    assert!(!place.text("shadow").contains("shadow:"));
}

#[test]
fn the_first_addresses_of_a_list_are_those_of_this_nodes_share() {
    let place = Place::new();
    let ipam = |node: &str| {
        json!({"type": "gingham", "policy": "weave-split", "range": "10.40.0.0/22", "routing": "none",
               "cluster": {"store": "local", "members": ["a", "b"], "node": node}})
    };
    place.network("pods", &ipam("b"), &json!({}));
    let said: Value = serde_json::from_str(&place.check("pods", &["--json"]).done()).unwrap();
    let first = said["first"][0][0].as_str().unwrap();
    assert!(first.starts_with("10.40.2."), "b has the upper half: {said}");
    place.network("pods", &ipam("stranger"), &json!({}));
    let said = place.check("pods", &[]).failed();
    assert!(said.contains("stranger"), "{said}");
}
