//! What a configuration means, and what is wrong with a bad one.

use gingham_testing::network;
use serde_json::{Value, json};

fn problems(ipam: Value) -> Vec<String> {
    network(ipam).problems()
}

#[test]
fn everything_has_a_default() {
    let pools = network(json!({})).pools();
    assert_eq!(pools.len(), 1);
    assert_eq!(pools[0].name, "10.32.0.0/12");
    assert_eq!(pools[0].ranges[0].prefix.to_string(), "10.32.0.0/12");
    assert_eq!(pools[0].ranges[0].range.to_string(), "10.32.0.0-10.47.255.255");
    assert_eq!(
        problems(json!({"range": null, "divide": null, "blockSize": null, "subnet": "", "gateway": ""})),
        [""; 0]
    );
}

#[test]
fn the_default_block_leaves_a_small_range_several() {
    for (range, block) in [
        ("10.32.0.0/12", "10.32.0.0/24"),
        ("10.32.0.0/20", "10.32.0.0/24"),
        ("10.32.0.0/24", "10.32.0.0/28"),
        ("10.32.0.0/26", "10.32.0.0/30"),
        ("10.32.0.0/30", "10.32.0.0/30"),
        ("fd00::/48", "fd00::/112"),
        ("fd00::/112", "fd00::/116"),
        ("fd00::/126", "fd00::/126"),
    ] {
        assert_eq!(network(json!({"range": range})).next_block().to_string(), block, "{range}");
    }
}

#[test]
fn a_block_that_does_not_fit_names_block_size() {
    assert_eq!(
        problems(json!({"blockSize": 8})),
        ["blockSize: a /8 is larger than the range 10.32.0.0/12; choose a prefix length from 12 to 32, \
             long enough for several blocks per node"]
    );
    assert_eq!(
        problems(json!({"blockSize": 33})),
        ["blockSize: a block of 10.32.0.0/12 cannot be a /33; choose a prefix length from 12 to 32"]
    );
    assert!(problems(json!({"blockSize": 300}))[0].starts_with("blockSize: "));
    assert!(problems(json!({"blockSize": "small"}))[0].starts_with("blockSize: "));
    assert_eq!(problems(json!({"blockSize": 12})), [""; 0]);
}

#[test]
fn bad_networks_name_their_key() {
    for key in ["range", "subnet"] {
        let one = |text: &str| problems(json!({key: text})).join("; ");
        let fault = |text: &str| format!("{key}: {text}");
        let usage = "use an address and a prefix length, such as \"10.32.0.0/12\"";
        assert_eq!(one("ten"), fault(&format!("invalid network \"ten\": {usage}")));
        assert_eq!(one("10.32.0.1/12"), fault("10.32.0.1/12 has host bits set; the network is 10.32.0.0/12"));
        assert_eq!(
            one("10.32.0.0/31"),
            fault("10.32.0.0/31 is too small to allocate from; it needs four addresses at least")
        );
    }
}

#[test]
fn a_subnet_must_meet_the_range_and_hold_a_block() {
    assert_eq!(
        problems(json!({"subnet": "192.168.0.0/16"})),
        ["subnet: 192.168.0.0/16 has no address in common with the range 10.32.0.0/12; nothing could be allocated"]
    );
    assert_eq!(
        problems(json!({"subnet": "10.32.7.0/25"})),
        ["subnet: 10.32.7.0/25 is smaller than a block of the range (/24); make it larger, or `blockSize` longer"]
    );
    assert_eq!(problems(json!({"subnet": "fd00::/64"})).len(), 1);
    assert_eq!(problems(json!({"subnet": "10.0.0.0/8"})), [""; 0]);
}

#[test]
fn all_problems_are_told_at_once() {
    let told = problems(json!({
        "range": "10.32.0.1/12", "subnet": "x", "gateway": "y", "routes": [{"dst": "10.0.0.1/8"}],
    }));
    let keys: Vec<&str> = told.iter().filter_map(|problem| problem.split(": ").next()).collect();
    assert_eq!(keys, ["routes[0].dst", "range", "subnet", "gateway"]);
    assert_eq!(
        problems(json!({"gateway": "fd00::1"})),
        ["gateway: fd00::1 must be of the same address family as 10.32.0.0/12"]
    );
}

#[test]
fn words_that_mean_nothing_name_their_key() {
    let divide = problems(json!({"divide": "fairly"}));
    assert!(divide[0].starts_with("divide: ") && divide[0].contains("exact"), "{divide:?}");
    let pick = problems(json!({"pick": "highest"}));
    assert!(pick[0].starts_with("pick: ") && pick[0].contains("roundRobin"), "{pick:?}");
}
