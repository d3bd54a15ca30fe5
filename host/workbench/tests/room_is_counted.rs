//! How full pools are: what the next request could get counts as free.
#![allow(clippy::unwrap_used, reason = "for tests: one that cannot go on has failed")]

use std::path::Path;
use std::time::Duration;

use gingham_testing::policy_of;
use gingham_workbench::Scenario;
use serde_json::json;

#[test]
fn an_address_whose_cooldown_is_over_is_free_before_the_next_request_ends_it() {
    for (cooldown, wait) in [("0", 0), ("20s", 20)] {
        let policy = policy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/host-local"));
        let mut scenario = Scenario::new(&policy, json!({"subnet": "10.1.0.0/29", "cooldown": cooldown})).unwrap();
        for container in ["a", "b"] {
            let request = scenario.request(container);
            scenario.add(&request).unwrap().result.unwrap();
        }
        let ended = scenario.request("a").key;
        scenario.del(&ended).result.unwrap();
        let room = |scenario: &Scenario| {
            let room = scenario.room().unwrap().remove(0);
            (room.free, room.cooling, room.leased)
        };
        let before = if wait == 0 { (4, 0, 1) } else { (3, 1, 1) };
        assert_eq!(room(&scenario), before, "cooldown {cooldown}");
        scenario.advance(Duration::from_secs(wait));
        assert_eq!(room(&scenario), (4, 0, 1), "cooldown {cooldown}");
    }
}
