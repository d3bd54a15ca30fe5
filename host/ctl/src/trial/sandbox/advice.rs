//! What to do where user namespaces are not allowed.

use std::path::Path;

/// Settings that forbid user namespaces, the value that does, and what allows them.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("kernel/unprivileged_userns_clone", "0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
    ("user/max_user_namespaces", "0", "sudo sysctl user.max_user_namespaces=15000"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
];

/// Looks for what forbids them, below `/proc/sys`.
pub(super) fn advice(settings: &Path) -> String {
    let is_set =
        |path: &str, value: &str| std::fs::read_to_string(settings.join(path)).is_ok_and(|found| found.trim() == value);
    let commands: Vec<&str> =
        SETTINGS.iter().filter(|(path, value, _)| is_set(path, value)).map(|(_, _, command)| *command).collect();
    if commands.is_empty() {
        return "Run it as root (`sudo ginghamctl try`: it changes nothing on this machine either); inside a \
                container, that container has to be privileged"
            .to_owned();
    }
    format!(
        "This system does not let users make user namespaces: allow them with `{}`, or run it as root (`sudo \
         ginghamctl try`: it changes nothing on this machine either)",
        commands.join(" && ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_forbids_is_named() {
        let settings = tempfile::tempdir().unwrap();
        assert!(advice(settings.path()).contains("as root"));
        for (path, forbidding, command) in SETTINGS {
            let file = settings.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "65535\n").unwrap();
            assert!(!advice(settings.path()).contains(command), "{path} allows");
            std::fs::write(&file, format!("{forbidding}\n")).unwrap();
            assert!(advice(settings.path()).contains(command), "{path} forbids");
        }
    }
}
