//! `GINGHAM_LOG` prints the steps of a call on standard error. It changes neither the result nor whether a call succeeds.

use gingham_tests::cni::{Cni, Outcome};
use gingham_tests::networks::bridged_with;
use gingham_tests::node::Node;
use serde_json::json;

/// The messages in order, without their fields.
fn steps(outcome: &Outcome) -> Vec<String> {
    let message = |line: &str| {
        assert!(line.contains(" elapsed="), "{line}");
        let line = line.strip_prefix("gingham: debug").unwrap_or_else(|| panic!("{line}"));
        let message = line.split_once(": ").unwrap().1;
        let words = message.split(' ').take_while(|word| !word.contains('='));
        words.collect::<Vec<_>>().join(" ")
    };
    outcome.stderr.lines().map(message).collect()
}

#[test]
fn each_step_of_add_and_del_is_a_line() {
    let node = Node::new();
    let network = bridged_with(json!({"isGateway": true, "ipMasq": true}));
    let container = node.container("c1");
    let add = Cni::add(&network, &container).variable("GINGHAM_LOG", "gingham=debug").run();
    add.result();
    let expected = [
        "configuration read",
        "policy loaded",
        "lease store locked",
        "policy answered",
        "guard passed",
        "lease committed",
        "bridge ready",
        "link made",
        "gateway addresses ready",
        "addresses and routes set in the container",
        "addresses masqueraded",
        "result written",
    ];
    let mut found = steps(&add);
    assert!(found.contains(&"lock taken".to_owned()), "{found:?}");
    found.retain(|step| step != "lock taken");
    assert_eq!(found, expected);

    let del = Cni::del(&network, &container).variable("GINGHAM_LOG", "debug").run();
    del.succeeds();
    let found = steps(&del);
    let expected = ["configuration read", "link deleted", "masquerade removed", "leases freed", "DEL done"];
    let mut rest = found.iter();
    assert!(expected.iter().all(|step| rest.any(|found| found == step)), "{found:?}");
}

#[test]
fn without_it_nothing_is_printed_and_the_result_is_the_same() {
    let node = Node::new();
    let network = bridged_with(json!({}));
    let container = node.container("c1");
    let shape = |outcome: &Outcome| {
        let mut result = outcome.result();
        for interface in result["interfaces"].as_array_mut().unwrap() {
            interface["mac"].take();
        }
        result["ips"][0]["address"].take();
        result
    };
    let quiet = Cni::add(&network, &container).run();
    assert_eq!(quiet.stderr, "");
    Cni::del(&network, &container).run().succeeds();
    let logged = Cni::add(&network, &container).variable("GINGHAM_LOG", "trace").run();
    assert_ne!(logged.stderr, "");
    assert_eq!(shape(&quiet), shape(&logged));
}

#[test]
fn an_invalid_filter_is_one_warning() {
    let node = Node::new();
    let network = bridged_with(json!({}));
    let add = Cni::add(&network, &node.container("c1")).variable("GINGHAM_LOG", "deb\u{1b}ug").run();
    add.result();
    assert!(
        add.stderr.starts_with("gingham: warning: GINGHAM_LOG: invalid filter \"deb\\u{1b}ug\": "),
        "{}",
        add.stderr
    );
    assert_eq!(add.stderr.lines().count(), 1, "{}", add.stderr);
}
