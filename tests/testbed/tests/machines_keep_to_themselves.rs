//! What a machine of the testbed writes is seen on no other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use gingham_testbed::machine::{Machine, hide, hide_in_etc};

const NEVER_THERE: &str = "hidden-by-tests-of-gingham";

fn names(directory: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

fn a_directory_with_something() -> PathBuf {
    let is_full =
        |path: &PathBuf| path.is_dir() && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    names(Path::new("/etc")).into_iter().find(is_full).unwrap()
}

#[test]
fn directories_of_etc_are_hidden_whether_there_are_any_or_not() {
    let full = a_directory_with_something();
    for directory in [full.clone(), Path::new("/etc").join(NEVER_THERE)] {
        let name = directory.file_name().unwrap().to_str().unwrap();
        let before = (names(Path::new("/etc")), names(&full));
        let prepare = || hide(&["/run"]).and_then(|()| hide_in_etc(name, Path::new("/run/etc-of-the-machine")));
        let machine = Machine::new("machine".to_owned(), prepare).unwrap();
        let seen = machine.on(|| {
            let found = names(&directory);
            fs::write(directory.join("written"), "").unwrap();
            (found, Path::new("/etc/passwd").is_file(), directory.join("written").is_file())
        });
        assert_eq!(seen.unwrap(), (Vec::new(), Path::new("/etc/passwd").is_file(), true));
        assert_eq!((names(Path::new("/etc")), names(&full)), before, "{name}");
    }
}
