//! A projected token expires and is replaced. The agent reads it again, and goes on.

use std::collections::BTreeSet;
use std::fs;

use gingham_kubernetes_tests::programs;
use serde_json::json;

use crate::testbed::{NODE, TOKEN, Testbed, facts, log};

/// Of which the agent says that it may not know them as they are.
fn stale_kinds(log: &str) -> BTreeSet<&str> {
    let mut stale = BTreeSet::new();
    for line in log.lines() {
        let Some(kind) = line.split("kind=\"").nth(1).and_then(|rest| rest.split('"').next()) else { continue };
        if line.contains("may be old") {
            stale.insert(kind);
        } else if line.contains("is current") {
            stale.remove(kind);
        }
    }
    stale
}

#[test]
fn an_agent_goes_on_with_the_token_that_replaces_an_expired_one() {
    if !programs::has_control_plane() {
        return;
    }
    let mut testbed = Testbed::new(&["by-zone"]).with_members(&[NODE]);
    testbed.network("by-zone", &json!({"zones": {"a": "10.1.0.0/16", "b": "10.2.0.0/16"}}));
    let _agent = testbed.agent();
    let zone = || facts().node.and_then(|node| node.labels?.get("topology.kubernetes.io/zone").cloned());
    let until_zone = |testbed: &Testbed, wanted: &str| {
        testbed.until(&format!("the zone is {wanted}"), || match zone() {
            Some(zone) if zone == wanted => Ok(()),
            other => Err(format!("{other:?}")),
        });
    };
    until_zone(&testbed, "b");

    // All tokens of service accounts are void, that of kubectl is none of them.
    testbed.plane.expire_service_account_tokens();
    testbed.until("the agent is refused", || {
        let log = log();
        if log.contains("401") { Ok(()) } else { Err("it is not".to_owned()) }
    });
    let label = |testbed: &Testbed, zone: &str| {
        let label = format!("topology.kubernetes.io/zone={zone}");
        testbed.kubectl().run(&["label", "--overwrite", "node", NODE, &label]).stdout();
    };
    label(&testbed, "a");
    assert_eq!(zone().as_deref(), Some("b"), "what is known stays");
    let token = testbed.kubectl().service_account_token("gingham-system", "gingham-node", 3600);
    fs::write(TOKEN, token).unwrap();
    until_zone(&testbed, "a");

    // Each kind has its own watch, and its own pause after it was refused.
    testbed.until("no kind is refused any more", || {
        let log = log();
        let stale = stale_kinds(&log);
        if stale.is_empty() { Ok(()) } else { Err(format!("{stale:?}")) }
    });

    // Replaced while it is good: no call fails.
    let before = log().matches("401").count();
    let token = testbed.kubectl().service_account_token("gingham-system", "gingham-node", 3600);
    fs::write(TOKEN, token).unwrap();
    label(&testbed, "b");
    until_zone(&testbed, "b");
    assert_eq!(log().matches("401").count(), before);
}
