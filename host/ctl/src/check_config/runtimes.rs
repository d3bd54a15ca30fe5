//! Which versions of CNI the runtimes on this machine are known to take.

use std::process::{Command, Stdio};

/// Up to which version of CNI a program takes configurations, from one of its own versions on.
struct Runtime {
    program: &'static str,
    /// Its version before this takes ...
    before: (u64, u64),
    /// ... this and older ones.
    newest: &'static str,
}

/// Oldest first. By the CNI library that each was released with: 0.8 takes 0.4.0, 1.0 and 1.1 take 1.0.0.
const RUNTIMES: [Runtime; 4] = [
    Runtime { program: "containerd", before: (1, 6), newest: "0.4.0" },
    Runtime { program: "containerd", before: (2, 0), newest: "1.0.0" },
    Runtime { program: "podman", before: (4, 0), newest: "0.4.0" },
    Runtime { program: "podman", before: (5, 0), newest: "1.0.0" },
];

/// In sentences.
pub(super) fn that_do_not_take(version: &str) -> Vec<String> {
    let Some(wanted) = numbers(version) else { return Vec::new() };
    let note = |program: &'static str| {
        let installed = installed(program)?;
        let newest = newest(program, &installed)?;
        (numbers(newest)? < wanted).then(|| {
            format!("cniVersion is {version}, but {program} {installed} on this machine takes none newer than {newest}")
        })
    };
    ["containerd", "podman"].into_iter().filter_map(note).collect()
}

fn newest(program: &str, installed: &str) -> Option<&'static str> {
    let [major, minor, ..] = numbers(installed)?;
    let is_it = |runtime: &&Runtime| runtime.program == program && (major, minor) < runtime.before;
    RUNTIMES.iter().find(is_it).map(|runtime| runtime.newest)
}

/// The first word of what `--version` prints that is a version.
fn installed(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find(|word| numbers(word).is_some()).map(str::to_owned)
}

/// `v1.6.20~ds1` is 1.6.20.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let mut parts = version.trim_start_matches('v').splitn(3, '.');
    let mut next = || {
        let part = parts.next()?;
        let digits = part.find(|c: char| !c.is_ascii_digit()).map_or(part, |end| &part[..end]);
        digits.parse().ok()
    };
    Some([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_take_what_their_library_takes() {
        for (program, version, expected) in [
            ("containerd", "1.4.13~ds1-1~deb11u4", Some("0.4.0")),
            ("containerd", "1.6.20~ds1", Some("1.0.0")),
            ("containerd", "v1.7.27", Some("1.0.0")),
            ("containerd", "v2.0.0", None),
            ("podman", "3.0.1", Some("0.4.0")),
            ("podman", "4.3.1", Some("1.0.0")),
            ("podman", "5.4.2", None),
            ("podman", "unknown", None),
        ] {
            assert_eq!(newest(program, version), expected, "{program} {version}");
        }
    }
}
