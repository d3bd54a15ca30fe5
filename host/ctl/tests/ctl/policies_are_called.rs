//! `ginghamctl policy call`: one request, and everything about its answer.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{CTL, Said};

struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("library")).unwrap();
        Self { dir }
    }

    fn config(&self, config: &Value) -> PathBuf {
        let path = self.dir.path().join("config.json");
        fs::write(&path, config.to_string()).unwrap();
        path
    }

    fn call(&self, policy: &str, config: &Value, more: &[&str]) -> Said {
        let config = self.config(config);
        Said::by(self.ctl(&["call", policy, "--config"]).arg(config).args(more))
    }

    fn ctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(CTL);
        command.current_dir(self.dir.path()).args(["--library", "library", "policy"]).args(arguments);
        command
    }

    fn json(&self, policy: &str, config: &Value, more: &[&str]) -> Value {
        serde_json::from_str(&self.call(policy, config, &[more, &["--json"]].concat()).out).unwrap()
    }
}

#[test]
fn the_answer_is_shown_with_its_cost() {
    let bench = Bench::new();
    let config = json!({"subnet": "10.1.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]});
    let said = bench.call("host-local", &config, &["--pod", "shop/web-0"]).done();
    for part in [
        "ADD container-1 eth0, pod shop/web-0, ",
        "  address   10.1.0.2/24 via 10.1.0.1\n",
        "  route     0.0.0.0/0\n",
        "  fuel      ",
        "(check-config ",
        "  calls     ",
        " of 100000 host calls\n",
        " of 67.1 MB",
        "  time      ",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let answer = bench.json("host-local", &config, &["--ip", "10.1.0.9", "--ifname", "net1"]);
    assert_eq!(answer["addresses"], json!([{"address": "10.1.0.9/24", "gateway": "10.1.0.1"}]));
    assert_eq!((&answer["granted"], &answer["deterministic"]), (&true.into(), &true.into()));
    let in_ipv6 = bench.json("host-local", &config, &["--ip", "::ffff:10.1.0.9"]);
    assert_eq!(in_ipv6["addresses"], answer["addresses"]);
    let exports: Vec<&str> =
        answer["calls"].as_array().unwrap().iter().filter_map(|call| call["export"].as_str()).collect();
    assert_eq!(exports, ["check-config", "allocate"]);
    let fuel: u64 = answer["calls"].as_array().unwrap().iter().filter_map(|call| call["fuel"].as_u64()).sum();
    assert_eq!(answer["fuel"], fuel);
}

#[test]
fn unknown_keys_are_noted_with_the_nearest_one() {
    const NOTE: &str = "ipam.cooldwon: unknown key, did you mean \"cooldown\"?";
    let bench = Bench::new();
    let config = json!({"subnet": "10.1.0.0/24", "cooldwon": "1s"});
    assert!(bench.call("host-local", &config, &[]).done().contains(&format!("\n  note      {NOTE}\n")));
    assert_eq!(bench.json("host-local", &config, &[])["notes"], json!([NOTE]));
    let inspected = Said::by(&mut bench.ctl(&["inspect", "host-local", "--config", "config.json"])).done();
    assert!(inspected.contains(&format!("\n  note         {NOTE}\n")), "{inspected}");
}

#[test]
fn the_network_of_a_configuration_is_found() {
    let bench = Bench::new();
    let list = json!({"cniVersion": "1.1.0", "name": "mynet", "plugins": [
        {"type": "loopback"},
        {"type": "gingham", "bridge": "br0", "ipam": {"type": "gingham", "subnet": "10.7.0.0/24"}},
    ]});
    assert!(bench.call("host-local", &list, &[]).done().contains("10.7.0.2/24"));
    let without = json!({"cniVersion": "1.1.0", "name": "mynet", "type": "loopback"});
    assert!(bench.call("host-local", &without, &[]).failed().contains("no plugin of it has `ipam`"));
}

#[test]
fn a_refusal_fails_with_its_text_and_shows_the_cost() {
    let bench = Bench::new();
    let said = bench.call("host-local", &json!({"subnet": "10.1.0.0/24"}), &["--ip", "10.1.0.1"]);
    assert!(said.out.contains("  refused   ") && said.out.contains("  fuel      "), "{}", said.out);
    assert!(said.failed().contains("policy host-local: failed to allocate"));
    let wrong = bench.json("host-local", &json!({"subnet": "10.1.0/24"}), &[]);
    assert_eq!((&wrong["granted"], &wrong["refused"]), (&false.into(), &"invalid-config".into()));
    assert!(wrong["error"].as_str().unwrap().contains("ipam.subnet"), "{wrong}");
}

#[test]
fn a_crash_is_no_refusal() {
    let bench = Bench::new();
    let component = wrong_policies::component("needs_a_pod_name");
    fs::write(bench.dir.path().join("crashes.wasm"), component).unwrap();
    let said = bench.call("crashes.wasm", &json!({"subnet": "10.1.0.0/24"}), &[]);
    assert!(said.out.contains("  failed    policy crashes: ") && !said.out.contains("refused"), "{}", said.out);
    said.failed();
}

#[test]
fn leases_of_a_case_are_there_before() {
    let bench = Bench::new();
    let case = "[[case]]\nname = \"x\"\nleases = [{ address = \"10.1.0.2\", container = \"old\" }]\n";
    fs::write(bench.dir.path().join("x.toml"), case).unwrap();
    let said = bench.call("host-local", &json!({"subnet": "10.1.0.0/24"}), &["--leases", "x.toml"]).done();
    assert!(said.contains("10.1.0.3/24"), "{said}");
}

#[test]
fn a_trace_shows_what_the_policy_asked_and_what_it_learned() {
    let bench = Bench::new();
    let config = json!({"subnet": "10.1.0.0/29"});
    let said = bench.call("host-local", &config, &["--trace"]).done();
    for part in [
        "\ncheck-config\n",
        "  pool-range.new(10.1.0.0/29, 10.1.0.1-10.1.0.6) -> 10.1.0.1-10.1.0.6\n",
        "\nallocate\n",
        "  request.requested-addresses(request) -> []\n",
        "  leases.next-free(10.1.0.1-10.1.0.6, ",
        " -> 10.1.0.2\n",
        "  state.set(\"last/0\", \"10.1.0.2\")\n",
        "  answer.add-address(answer, 10.1.0.2/29, 10.1.0.1)\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (plain, traced) = (bench.json("host-local", &config, &[]), bench.json("host-local", &config, &["--trace"]));
    assert_eq!((&plain["fuel"], &plain["hostCalls"]), (&traced["fuel"], &traced["hostCalls"]), "a trace costs nothing");
    assert!(plain["trace"].as_array().unwrap().is_empty() && traced["trace"].as_array().unwrap().len() > 5);
}
