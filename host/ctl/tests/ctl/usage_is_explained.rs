//! Help has examples, wrong usage has its own exit status, and failures say what to do.

use crate::program::ctl;

const COMMANDS: [&[&str]; 21] = [
    &["try"],
    &["check-config"],
    &["run"],
    &["status"],
    &["leases"],
    &["gc"],
    &["recover"],
    &["cluster", "status"],
    &["cluster", "join"],
    &["cluster", "leave"],
    &["cluster", "takeover"],
    &["allocate"],
    &["release"],
    &["import", "host-local"],
    &["export", "host-local"],
    &["completions"],
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
    for wrong in [
        &["nonsense"][..],
        &["policy"],
        &["try", "a", "b"],
        &["policy", "add"],
        &["leases", "--jsonn"],
        &["run", "x"],
        &[],
    ] {
        let said = ctl(wrong);
        assert_eq!(said.code, Some(2), "{wrong:?}");
        assert!(said.err.contains("Usage: ginghamctl"), "{wrong:?}: {}", said.err);
    }
}

#[test]
fn every_page() {
    for command in COMMANDS {
        let help = ctl(command.iter().chain(&["--help"])).done();
        insta::assert_snapshot!(command.join("-"), help);
    }
}

/// A shell that has read the completions knows the commands.
#[test]
fn shells_complete() {
    let script = ctl(["completions", "bash"]).done();
    let ask = format!(
        "{script}\nCOMP_WORDS=(ginghamctl check); COMP_CWORD=1; _ginghamctl ginghamctl check; echo \"${{COMPREPLY[@]}}\""
    );
    let output = std::process::Command::new("bash").args(["-c", &ask]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "check-config", "{output:?}");
    for shell in ["zsh", "fish"] {
        assert!(ctl(["completions", shell]).done().contains("check-config"), "{shell}");
    }
    assert_eq!(ctl(["completions", "cmd.exe"]).code, Some(2));
}

#[test]
fn the_first_page() {
    insta::assert_snapshot!(ctl(["--help"]).done());
}
