//! Help has examples, wrong usage has its own exit status, and failures say what to do.

use crate::program::ctl;

const COMMANDS: [&[&str]; 8] = [
    &["try"],
    &["leases"],
    &["gc"],
    &["policy", "add"],
    &["policy", "list"],
    &["policy", "inspect"],
    &["policy", "remove"],
    &["policy", "recompile"],
];

#[test]
fn every_command_has_examples() {
    for command in COMMANDS {
        let help = ctl(command.iter().chain(&["--help"])).done();
        assert!(help.contains("\nExample"), "{command:?}: {help}");
        assert!(help.contains(&format!("  ginghamctl {}", command.join(" "))), "{command:?}: {help}");
        assert!(help.lines().all(|line| line.chars().count() <= 120), "{command:?}: {help}");
    }
}

#[test]
fn json_is_documented_where_it_is_offered() {
    for command in COMMANDS {
        let help = ctl(command.iter().chain(&["--help"])).done();
        assert_eq!(help.contains("--json  "), help.contains("With --json: "), "{command:?}");
    }
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    for wrong in [&["nonsense"][..], &["policy"], &["try", "a", "b"], &["policy", "add"], &["leases", "--jsonn"], &[]] {
        let said = ctl(wrong);
        assert_eq!(said.code, Some(2), "{wrong:?}");
        assert!(said.err.contains("Usage: ginghamctl"), "{wrong:?}: {}", said.err);
    }
}

#[test]
fn the_first_page() {
    insta::assert_snapshot!(ctl(["--help"]).done());
}
