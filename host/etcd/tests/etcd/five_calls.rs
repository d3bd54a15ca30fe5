//! What each call does, answered by a real etcd.

use gingham_etcd::Etcd;
use gingham_ownership::shared_store::{Reply, StoreFault, Version};

use crate::testbed::{
    call, create, delete, get, list, members, record, refused, settings, store, update, with_etcd, written,
};

#[test]
fn a_record_is_made_once_and_changed_only_by_who_saw_it_last() {
    with_etcd(|directory| {
        let members = members(directory, 1);
        let (mut a, mut b) = (store(&members), store(&members));
        assert_eq!(call(&mut a, &get("members/a")), Reply::Got(None));
        let first = written(call(&mut a, &create("members/a", "1")));
        assert_eq!(call(&mut b, &create("members/a", "2")), Reply::Conflict(Some(record("1", first))));
        assert_eq!(call(&mut b, &get("members/a")), Reply::Got(Some(record("1", first))));
        let second = written(call(&mut b, &update("members/a", "2", first)));
        assert!(second > first);
        assert_eq!(call(&mut a, &update("members/a", "3", first)), Reply::Conflict(Some(record("2", second))));
        assert_eq!(call(&mut a, &delete("members/a", first)), Reply::Conflict(Some(record("2", second))));
        assert_eq!(call(&mut a, &delete("members/a", second)), Reply::Deleted);
        assert_eq!(call(&mut a, &delete("members/a", second)), Reply::Conflict(None));
        assert_eq!(call(&mut a, &update("members/a", "3", second)), Reply::Conflict(None));
        let third = written(call(&mut a, &create("members/a", "2")));
        assert!(third > second, "a record that comes again is a later one");
    });
}

#[test]
fn the_same_content_written_again_is_another_version() {
    with_etcd(|directory| {
        let members = members(directory, 1);
        let mut store = store(&members);
        let first = written(call(&mut store, &create("blocks/b", "x")));
        let second = written(call(&mut store, &update("blocks/b", "x", first)));
        assert!(second > first);
        assert!(matches!(call(&mut store, &delete("blocks/b", first)), Reply::Conflict(Some(_))));
    });
}

#[test]
fn a_list_is_one_networks_in_order_and_of_one_moment() {
    with_etcd(|directory| {
        let members = members(directory, 1);
        let mut ours = store(&members);
        let mut theirs = Etcd::new(settings(&members.endpoints()), "net2");
        assert!(
            matches!(call(&mut ours, &list("")), Reply::Listed { records, at } if records.is_empty() && at > Version(0))
        );
        let b = written(call(&mut ours, &create("blocks/b", "B")));
        let a = written(call(&mut ours, &create("blocks/a", "A")));
        let config = written(call(&mut ours, &create("config", "C")));
        written(call(&mut theirs, &create("blocks/z", "Z")));
        let at = written(call(&mut theirs, &create("blocksz", "Z")));
        let key = str::to_owned;
        let blocks = vec![(key("blocks/a"), record("A", a)), (key("blocks/b"), record("B", b))];
        assert_eq!(call(&mut ours, &list("blocks/")), Reply::Listed { records: blocks.clone(), at });
        let all = [blocks, vec![(key("config"), record("C", config))]].concat();
        assert_eq!(call(&mut ours, &list("")), Reply::Listed { records: all, at });
    });
}

#[test]
fn a_list_of_several_pages_is_whole() {
    with_etcd(|directory| {
        let members = members(directory, 1);
        let mut store = store(&members);
        let keys: Vec<String> = (0..2345).map(|number| format!("blocks/{number:05}")).collect();
        for key in &keys {
            written(call(&mut store, &create(key, "x")));
        }
        let Reply::Listed { records, at } = call(&mut store, &list("blocks/")) else { panic!("no list") };
        assert_eq!(records.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), keys);
        assert!(records.iter().all(|(_, record)| record.version <= at));
        assert_eq!(records.last().unwrap().1.version, at);
    });
}

/// A second list receives only what was written since, and shows what was deleted all the same.
#[test]
fn a_list_is_the_same_for_who_listed_before() {
    with_etcd(|directory| {
        let members = members(directory, 1);
        let (mut again, mut other) = (store(&members), store(&members));
        let mut same = |other: &mut Etcd| {
            let first = call(&mut store(&members), &list(""));
            assert_eq!(call(&mut again, &list("")), first);
            assert_eq!(call(&mut again, &list("")), first, "nothing has changed");
            assert_eq!(call(other, &list("blocks/")), call(&mut store(&members), &list("blocks/")));
        };
        same(&mut other);
        let a = written(call(&mut other, &create("blocks/a", "A")));
        let m = written(call(&mut other, &create("members/m", "M")));
        same(&mut other);
        let a = written(call(&mut other, &update("blocks/a", "AA", a)));
        same(&mut other);
        // One less; one less and one more; the same one again.
        assert_eq!(call(&mut other, &delete("members/m", m)), Reply::Deleted);
        same(&mut other);
        assert_eq!(call(&mut other, &delete("blocks/a", a)), Reply::Deleted);
        let b = written(call(&mut other, &create("blocks/b", "B")));
        same(&mut other);
        assert_eq!(call(&mut other, &delete("blocks/b", b)), Reply::Deleted);
        written(call(&mut other, &create("blocks/b", "B")));
        same(&mut other);
        // More than is sent at once.
        for number in 0..5100 {
            written(call(&mut other, &create(&format!("life/{number}"), "x")));
        }
        same(&mut other);
    });
}

#[test]
fn what_etcd_cannot_hold_is_refused() {
    with_etcd(|directory| {
        let members = members(directory, 1);
        let mut store = store(&members);
        let fault = refused(call(&mut store, &create("config", &"x".repeat(3 << 20))));
        assert!(matches!(fault, StoreFault::Unusable(_)), "{fault:?}");
        assert_eq!(call(&mut store, &get("config")), Reply::Got(None));
    });
}
