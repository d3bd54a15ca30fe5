//! Wrong usage has its own exit status, and shells complete commands.

use crate::program::ctl;

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
