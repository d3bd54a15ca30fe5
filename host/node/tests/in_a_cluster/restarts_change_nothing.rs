//! Routes and leases stay the same when the agent stops, is killed and starts again.

use rustix::process::Signal;
use serde_json::json;

use crate::testbed::Testbed;

#[test]
fn routes_and_leases_stay() {
    let testbed = Testbed::new(2);
    let (first, second) = (testbed.network(1, json!({})), testbed.network(2, json!({})));
    let mut other = testbed.agent(2, &second, &[]);
    let mut one = testbed.agent(1, &first, &[]);
    testbed.add(1, &first, "pod");
    other.until("gingham_routes", |routes| routes == 1);
    one.until("gingham_routes", |routes| routes == 1);
    let before = (testbed.routes(1), testbed.leases(1));
    let store = || std::fs::read_to_string(testbed.path("store/net.json")).unwrap();
    let incarnation = |text: &str| -> serde_json::Value {
        let records: serde_json::Value = serde_json::from_str(text).unwrap();
        let member = records["records"]["members/node-1"]["value"].as_str().unwrap();
        serde_json::from_str::<serde_json::Value>(member).unwrap()["incarnation"].clone()
    };
    let life = incarnation(&store());
    for signal in [Signal::TERM, Signal::KILL] {
        one.end(signal);
        assert_eq!((testbed.routes(1), testbed.leases(1)), before);
        one = testbed.agent(1, &first, &[]);
        one.reconciles(1);
        assert_eq!((testbed.routes(1), testbed.leases(1)), before);
        assert_eq!((one.metric("gingham_block_claims_total"), incarnation(&store())), (Some(0), life.clone()));
    }
}
