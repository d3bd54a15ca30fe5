//! A test that wants a missing program passes, and both its process and the report of the whole run name it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Command, Output};

/// Set in the process that is looked at.
const LOOKED_AT: &str = "SKIPPED_TESTS_LOOKED_AT";

const EXPECTED: &str =
    "1 test was SKIPPED:\n  skipped_tests_are_named wants_a_missing_program wants /there/is/none of the package none\n";

#[test]
fn wants_a_missing_program() {
    if std::env::var_os(LOOKED_AT).is_some() {
        assert!(!skipped_tests::has("/there/is/none", "none"));
    }
}

/// The test above, alone in a process: as `cargo nextest` runs it, or as `cargo test` does.
fn run(records: &Path, like_nextest: bool) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "wants_a_missing_program"]);
    if like_nextest {
        command.args(["--nocapture", "--test-threads=1"]);
    }
    command.env(LOOKED_AT, "1").env(skipped_tests::DIRECTORY, records).env_remove(skipped_tests::REQUIRE);
    command
}

fn report(records: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skipped-tests"));
    let output = command.env(skipped_tests::DIRECTORY, records).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn text(output: &Output) -> [String; 2] {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap())
}

#[test]
fn its_process_and_the_report_name_it() {
    for like_nextest in [false, true] {
        let records = tempfile::tempdir().unwrap();
        let records = records.path().join("skipped");
        let output = run(&records, like_nextest).output().unwrap();
        let [stdout, stderr] = text(&output);
        assert!(output.status.success() && stdout.contains("test result: ok. 1 passed"), "{output:?}");
        assert!(stderr.starts_with(EXPECTED), "{stderr}");
        // Again and again it is one.
        run(&records, !like_nextest).output().unwrap();
        assert!(report(&records).starts_with(EXPECTED));
        assert_eq!(report(&records), "no test was skipped\n");
    }
}

#[test]
fn it_fails_where_everything_has_to_be_proved() {
    let records = tempfile::tempdir().unwrap();
    let output = run(records.path(), false).env(skipped_tests::REQUIRE, "1").output().unwrap();
    let [stdout, _] = text(&output);
    assert_eq!(output.status.code(), Some(101), "{stdout}");
    assert!(stdout.contains("wants_a_missing_program wants /there/is/none of the package none"), "{stdout}");
}
