//! What `bench` measures is the same each time, and more of it is a regression.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use gingham_engine::runtime::Policy;
use gingham_workbench::bench::{self, BaselineError, Bench, regressions};
use gingham_workbench::check::Subject;
use serde_json::{Value, json};

fn policy(name: &str) -> Policy {
    gingham_testing::policy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies").join(name))
}

fn measured(policy: &Policy, ipam: Value) -> Bench {
    bench::bench(&Subject::new(policy, vec![ipam]), ("shop", "web-0"), 1).unwrap()
}

fn fuel(bench: &Bench, situation: &str, export: &str) -> u64 {
    let found = bench.situations.iter().find(|it| it.name == situation).unwrap();
    found.exports.get(export).unwrap_or_else(|| panic!("{found:?}")).fuel
}

#[test]
fn the_version_is_the_one_that_counts_the_fuel() {
    let lock = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock")).unwrap();
    let bench = measured(&policy("host-local"), json!({"subnet": "10.66.0.0/24"}));
    assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{}\"\n", bench.wasmtime)), "{}", bench.wasmtime);
}

#[test]
fn each_export_is_measured_at_each_level() {
    let sticky = measured(&policy("sticky"), json!({"subnet": "10.66.0.0/24"}));
    for situation in ["0 % leased", "50 % leased", "90 % leased", "99 % leased", "10 leases"] {
        for export in ["check-config", "allocate", "release"] {
            assert!(fuel(&sticky, situation, export) > 500, "{situation} {export}");
        }
    }
    let many = sticky.situations.iter().find(|it| it.name == "1000 leases").unwrap();
    assert_eq!(many.note.as_deref(), Some("not measured: the pools have 253 addresses"));
    assert!(many.exports.is_empty());
    let leases: Vec<u64> = sticky.situations.iter().map(|it| it.leases).collect();
    assert_eq!(leases, [0, 126, 227, 250, 10, 0, 0]);
}

#[test]
fn large_pools_have_many_leases_and_no_level() {
    let bench = measured(&policy("hashed"), json!({"subnet": "fd00:66::/64"}));
    let notes: Vec<bool> = bench.situations.iter().map(|it| it.note.is_some()).collect();
    assert_eq!(notes, [false, true, true, true, false, false, false], "{bench:?}");
    assert!(fuel(&bench, "100000 leases", "allocate") > 500);
}

#[test]
fn a_member_of_a_cluster_leases_what_it_holds() {
    let bench = measured(&policy("weave-split"), json!({"range": "10.32.0.0/12"}));
    let thousand = bench.situations.iter().find(|it| it.name == "1000 leases").unwrap();
    assert_eq!((thousand.leases, &thousand.note), (1000, &None));
}

#[test]
fn fuel_is_exact_and_more_of_it_is_a_regression() {
    let policy = policy("quota");
    let ipam = json!({"subnet": "10.66.0.0/26", "quota": 1000});
    let (saved, current) = (measured(&policy, ipam.clone()), measured(&policy, ipam));
    assert_eq!(regressions(&saved, &current), Ok(Vec::new()));
    let mut cheaper = saved.clone();
    cheaper.situations[1].exports.get_mut("allocate").unwrap().fuel -= 1;
    let worse = regressions(&cheaper, &current).unwrap();
    assert_eq!((worse.len(), worse[0].export.as_str(), worse[0].situation.as_str()), (1, "allocate", "50 % leased"));
    assert_eq!(worse[0].current, worse[0].saved + 1);
    assert_eq!(regressions(&saved, &cheaper), Ok(Vec::new()), "less is no regression");
}

#[test]
fn what_cannot_be_compared_is_not_compared() {
    let saved = measured(&policy("quota"), json!({"subnet": "10.66.0.0/28", "quota": 1000}));
    let other = Bench { wasmtime: "47.0.0".to_owned(), ..saved.clone() };
    assert!(matches!(regressions(&other, &saved), Err(BaselineError::Wasmtime { .. })));
    let other = Bench { config: "{}".to_owned(), ..saved.clone() };
    assert!(matches!(regressions(&other, &saved), Err(BaselineError::Configuration { .. })));
    let mut fewer = saved.clone();
    fewer.situations.pop();
    fewer.situations.remove(0);
    assert!(matches!(regressions(&saved, &fewer), Err(BaselineError::Missing { .. })));
}

#[test]
fn host_local_has_the_same_addresses() {
    let host_local = policy("host-local");
    let pools = json!({"pools": {"a": "10.66.0.0/24", "b": "fd00:66::/120"}, "default": "10.67.0.0/26"});
    let subject = Subject::new(&policy("by-namespace"), vec![pools]);
    let beside = bench::beside(&host_local, &subject).unwrap().unwrap();
    let room = |subject: &Subject| {
        let scenario = subject.scenario(&subject.configurations[0]).unwrap();
        scenario.room().unwrap().iter().map(|pool| pool.free).collect::<Vec<_>>()
    };
    assert_eq!(room(&beside), room(&subject));
}
