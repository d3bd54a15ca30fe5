//! Sins of cluster policies: nothing they say of blocks reaches a cluster's store unless it can be claimed. In the engine,
//! where the store is not yet in sight.

use std::sync::Arc;

use gingham_engine::address::IpRange;
use gingham_engine::cluster_policy::ClusterPolicy;
use gingham_engine::ipam::IpamError;
use gingham_engine::ranges::RangeSet;
use gingham_engine::runtime::{LogLine, Policy};
use gingham_engine::settings::Settings;
use gingham_ownership::grid::BlockMap;
use gingham_tests::guests::guest;
use serde_json::{Map, json};

use crate::engine::{Network, context};

type Asked<'a> = ClusterPolicy<'a>;

/// Ten members, of which the third asks; the second holds the first block.
fn picture(policy: &Asked<'_>) -> BlockMap {
    let members = (0..10).map(|number| format!("member-{number}"));
    let mut picture = policy.picture("member-2", members);
    assert!(picture.claim("10.66.0.0/28".parse().unwrap(), "member-1"));
    picture
}

fn ask<T>(
    name: &str,
    question: impl FnOnce(&Asked<'_>, &mut Vec<LogLine>) -> Result<T, IpamError>,
) -> Result<T, IpamError> {
    let (policy, settings): (Policy, _) = (guest(name).policy(), Settings::parse(&Map::new()).unwrap());
    let mut log = Vec::new();
    let asked = Asked::new(&policy, &settings, &context(), &mut log)?;
    question(&asked, &mut log)
}

fn next_block(name: &str) -> Result<String, IpamError> {
    ask(name, |policy, log| {
        let proposal = policy.next_block(0, &Arc::new(picture(policy)), log)?;
        Ok(proposal.block.to_string())
    })
}

/// What is said of the sinner; it begins with the policy's name and the export.
#[track_caller]
fn fault(name: &str) -> String {
    let text = next_block(name).expect_err("the misbehaviour was rewarded").to_string();
    let said = text.strip_prefix(&format!("policy {name}: ")).expect("it names the policy");
    let (export, said) = said.split_once(": ").expect("it names the export");
    assert!(["blocks", "next-block"].contains(&export), "{text}");
    said.to_owned()
}

#[test]
fn an_honest_proposal_passes() {
    assert_eq!(next_block("divides_honestly").unwrap(), "10.66.0.16/28");
    let share = ask("divides_honestly", |policy, log| policy.share(&["a".to_owned()], "a", log)).unwrap();
    assert_eq!(share, ["10.66.0.0/24".parse().unwrap()]);
    let no_such = ask("divides_honestly", |policy, log| policy.next_block(1, &Arc::new(picture(policy)), log));
    assert!(no_such.unwrap_err().to_string().ends_with("it was called for grid 1, but has 1"));
}

#[test]
fn blocks_that_cannot_be_claimed_are_faults() {
    assert_eq!(fault("proposes_held_block"), "it proposed to claim 10.66.0.0/28, which member-1 holds");
    let off_grid =
        |block: &str| format!("it proposed to claim {block}, which is not a block of 10.66.0.0/24 in blocks of /28");
    assert_eq!(fault("proposes_outside"), off_grid("10.67.0.0/28"));
    assert_eq!(fault("proposes_large_block"), off_grid("10.66.0.32/27"));
    assert_eq!(fault("proposes_unaligned_block"), off_grid("10.66.0.24/28"));
    assert_eq!(fault("proposes_other_family"), off_grid("fd00::/28"));
    assert_eq!(fault("proposes_overlong_prefix"), "it used the prefix length 33 with 10.66.0.16");
}

#[test]
fn grids_that_cannot_be_are_faults() {
    assert_eq!(
        fault("declares_no_grid"),
        "it declares 0 grids for 1 pools; a cluster policy has one grid for each pool"
    );
    assert_eq!(fault("declares_countless_grids"), "it declares 100 grids; 64 is the most");
    assert_eq!(
        fault("declares_grid_beside_its_pool"),
        "its pool sins has the range 10.66.0.0-10.66.0.255, which is not within the pool's grid 10.67.0.0/24 in blocks of /28"
    );
    assert_eq!(
        fault("declares_grid_of_giants"),
        "it declared a grid of /8 blocks in 10.66.0.0/24, and such a block is larger than the range"
    );
    assert_eq!(
        fault("declares_overlapping_grids"),
        "its grids 10.66.0.0/24 in blocks of /28 and 10.66.0.0/24 in blocks of /28 overlap"
    );
}

#[test]
fn a_share_of_foreign_addresses_is_a_fault() {
    let share = ask("shares_what_is_not_its_own", |policy, log| policy.share(&["a".to_owned()], "a", log));
    assert_eq!(
        share.unwrap_err().to_string(),
        "policy shares_what_is_not_its_own: share: its share for a has 10.67.0.0-10.67.0.255, which is on none of its grids"
    );
}

#[test]
fn a_question_about_blocks_ends() {
    assert!(fault("panics_in_next_block").contains("which block?"));
    for name in ["counts_blocks_without_end", "names_members_without_end"] {
        let said = fault(name);
        assert!(said.contains("host calls (ipam.limits.hostCalls") || said.contains("fuel"), "{name}: {said}");
    }
}

#[test]
fn an_address_of_anothers_block_is_refused() {
    let network = Network::new(&json!({}));
    let sinner = guest("answers_from_anothers_block");
    let mut log = Vec::new();
    let settings = Settings::parse(&Map::new()).unwrap();
    let mine: IpRange = "10.66.0.16/28".parse().unwrap();
    let picture = {
        let policy = sinner.policy();
        let mut picture = picture(&Asked::new(&policy, &settings, &context(), &mut log).unwrap());
        assert!(picture.claim("10.66.0.16/28".parse().unwrap(), "member-2"));
        Arc::new(picture)
    };
    let blocks = RangeSet::new(vec![mine]);
    let outcome = network.add_within(&sinner, "victim", &blocks, &picture);
    assert_eq!(
        outcome.answer.map(|granted| granted.answer).unwrap_err().to_string(),
        "policy answers_from_anothers_block: allocate: it answered 10.66.0.7, which is in none of the blocks that this node holds"
    );
    assert_eq!(network.state(), "");
    let honest = network.add_within(&guest("divides_honestly"), "next", &blocks, &picture).answer.unwrap();
    assert_eq!(honest.answer.addresses[0].address.to_string(), "10.66.0.16/24");
    let nothing = network.add_within(&guest("divides_honestly"), "last", &RangeSet::default(), &picture).answer;
    assert!(nothing.map(|granted| granted.answer).unwrap_err().to_string().contains("is full"));
}

#[test]
fn a_plain_policy_that_looks_at_the_cluster_sees_itself_alone() {
    let outcome = Network::new(&json!({})).add(&guest("looks_on"), "c1", &[]);
    outcome.answer.expect("looking is no fault");
    let said: Vec<&str> = outcome.log.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(said, [r#"node-1 of ["node-1"], 0 unclaimed, 0 claimed, next false, holder None"#]);
}
